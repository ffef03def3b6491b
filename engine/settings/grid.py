"""Grids behind DIRAC, by either way to them."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from engine.settings.node import NodeSettings
from engine.settings.section import GRID_NAME, GridName, Section


class GridNodeSettings(NodeSettings):
    """How the worker nodes of a grid are set up: paths are theirs, not those of this machine."""

    cache: str = ""
    """The image cache of the node; empty: `~/.cache/grid-engine/images` there."""
    inputs: str = ""
    """The cache of fetched inputs; empty: none."""
    packages: tuple[str, ...] = ()
    """Directories with optional Python packages for runtimes."""
    docker_host: str = ""
    """The address of the Docker engine; empty: what DOCKER_HOST says there, else the usual one."""
    heartbeat: float = Field(default=300.0, ge=0)
    """Seconds between two signs of life of a running job to DIRAC, which is also told what the job does; 0:
    neither."""
    sandbox: int = Field(default=10_000_000, gt=0)
    """Bytes that what comes home in one output sandbox may take: longer logs lose their middle."""


class GridSection(Section):
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
    node: GridNodeSettings = GridNodeSettings()
    """How worker nodes are set up: paths are theirs."""


class DiracxSection(GridSection):
    """The back-end that runs jobs on a grid through DiracX. It is there when `url` is set."""

    url: str = ""
    """The DiracX server, `https://...`."""
    token: Path = Field(default_factory=lambda: Path(os.path.expanduser("~/.cache/diracx/credentials.json")))
    """The file with the tokens, where `engine login` and `dirac login` put them."""
    proxy: Path | None = None
    """A proxy that holds a DiracX token, in place of `token`: for robots, whose proxy something renews."""
    authorities: str = ""
    """File of certificate authorities of the server; empty: the system's."""
    poll: float = Field(default=10.0, gt=0)
    """Seconds between two looks at the server."""


class DiracSection(GridSection):
    """The back-end that runs jobs on a grid through the services of DIRAC 8 or 9, by a DIRAC client that is
    installed beside the engine. It is there when `command` or `diracosrc` is set."""

    command: tuple[str, ...] = ()
    """DIRAC's own Python, with arguments; empty: `python`, in the environment of `diracosrc`."""
    diracosrc: Path | None = None
    """A file to source before, such as the `diracosrc` of a DIRAC client; none: the engine's environment."""
    proxy: Path | None = None
    """The proxy; none: where DIRAC finds it (`X509_USER_PROXY`, else `/tmp/x509up_u<uid>`)."""
    parametric: bool = True
    """Whether jobs that are alike are submitted together, as many as the installation takes."""
    storage_elements: tuple[GridName, ...] = ()
    """Storage elements for what is written to `lfn:`, in order; the first that takes a file has it."""
    failover: tuple[GridName, ...] = ()
    """Storage elements that take it when none of those does; DIRAC moves it from there by itself."""
