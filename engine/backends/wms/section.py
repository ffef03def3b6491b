"""What can be set for a grid behind DIRAC, by either way to it."""

from __future__ import annotations

from pydantic import Field

from engine.backends.node import node
from engine.backends.wms.jdl import JobRequirements
from engine.backends.wms.resources import Rates
from engine.backends.wms.settings import GridSettings
from engine.settings.backends import BackendSection
from engine.settings.node import NodeSettings, RemoteNodeSettings
from engine.settings.section import GRID_NAME, GridName


class GridNodeSettings(RemoteNodeSettings):
    """The set-up of the worker nodes of a grid behind DIRAC."""

    heartbeat: float = Field(default=300.0, ge=0)
    """Seconds between two signs of life of a running job to DIRAC, which is also told what the job does; 0:
    neither."""
    sandbox: int = Field(default=10_000_000, gt=0)
    """Bytes that what comes home in one output sandbox may take: longer logs lose their middle."""


class GridSection(BackendSection):
    """A grid and how its jobs are described, whichever way they go there."""

    vo: str = Field(default="", pattern=GRID_NAME)
    """The virtual organisation that the credential must be for; empty: whichever it is for."""
    group: str = Field(default="", pattern=GRID_NAME)
    """The DIRAC group that the credential must be for; empty: whichever it is for."""
    sites: tuple[GridName, ...] = ()
    """Sites where jobs may run; empty: all."""
    banned_sites: tuple[GridName, ...] = ()
    """Sites where jobs must not run."""
    tags: tuple[GridName, ...] = ()
    """Tags that nodes must have."""
    gpu_tag: str = Field(default="GPU", pattern=GRID_NAME)
    """The tag that nodes must have for jobs that need a GPU."""
    priority: int = Field(default=1, ge=0, le=10)
    """Priority among the jobs of the same user and group."""
    job_type: str = Field(default="User", pattern=r"^[A-Za-z0-9._-]+$")
    """JobType: one that the installation allows."""
    power: float = Field(default=10.0, gt=0)
    """HEP-SPEC06 of one core: CPUTime is the wall time times the cores times this."""
    cpu_time: int = Field(default=86_400, gt=0)
    """CPUTime of jobs that have no wall time limit."""
    window: int = Field(default=10_000, ge=1)
    """Grid jobs in flight at a time."""
    at_once: int = Field(default=4, ge=1, le=16)
    """Submitting requests at a time."""
    poll: float = Field(default=20.0, gt=0)
    """Seconds between two looks at the server."""
    settled_after: float = Field(default=60.0, ge=0)
    """Seconds after which the server is certainly done with a request that was given up."""
    shared_files: bool = False
    """Whether nodes find the files of this machine under the same paths (a trial site, a common file system):
    then nothing is staged."""
    node: GridNodeSettings = Field(default_factory=GridNodeSettings)
    """How worker nodes are set up: paths are theirs."""

    def node_settings(self, machine: NodeSettings) -> NodeSettings:
        """Tell how worker nodes are set up."""
        return self.node

    def grid(self) -> GridSettings:
        """Tell what a back-end needs to know, whichever way it goes."""
        return GridSettings(
            node=node(self.node),
            vo=self.vo,
            group=self.group,
            requirements=JobRequirements(
                self.sites, self.banned_sites, self.tags, self.priority, self.job_type
            ),
            rates=Rates(self.power, self.cpu_time, self.gpu_tag),
            at_once=self.at_once,
            window=self.window,
            poll_interval=self.poll,
            settled_after=self.settled_after,
            shared_files=self.shared_files,
        )
