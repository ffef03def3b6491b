"""Everything that can be set."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from pydantic import Field

from engine import xdg
from engine.settings.data import CredentialSection, DataSection, StorageSection
from engine.settings.grid import DiracSection, DiracxSection
from engine.settings.node import LimitSettings, LocalSection, NodeSettings
from engine.settings.section import Section
from engine.settings.service import ApiSection, PortalSection
from engine.settings.vip import VipSection


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for this uid
        return f"uid-{os.getuid()}"


class Settings(Section):
    """Everything that can be set."""

    database: str = Field(
        default_factory=lambda: f"sqlite:///{xdg.directory('XDG_DATA_HOME', '.local/share') / 'engine.db'}"
    )
    """`sqlite:///PATH` on a local disk, or `postgresql+psycopg://...`."""
    owner: str = Field(default_factory=_user)
    """Whose executions these are."""
    results: Path = Path("results")
    """Where results go, each execution in a directory of its own; relative to the current directory."""
    results_name: str = ""
    """Names of results below `outputs`, a template as for `--results-name`; empty: `{path}` for one job,
    `{job}/{path}` for more."""
    backend: str = "local"
    """The back-end of a submit that names none."""
    zenodo: str = "https://zenodo.org"
    """Where descriptors called `zenodo.N` are fetched, when `--network` allows it, searched and published;
    `https://sandbox.zenodo.org` is for trying."""
    zenodo_credential: str = ""
    """The name of a credential (a `token` or `key`) with which `engine publish` publishes there."""
    server: str = ""
    """URL of a daemon that does the work; as the option `--server`."""
    local: LocalSection = LocalSection()
    node: NodeSettings = NodeSettings()
    diracx: DiracxSection = DiracxSection()
    dirac: DiracSection = DiracSection()
    limits: LimitSettings = LimitSettings()
    storages: dict[str, StorageSection] = Field(default_factory=dict)
    """Storages by name."""
    credentials: dict[str, CredentialSection] = Field(default_factory=dict)
    """Credentials by name."""
    data: DataSection = DataSection()
    api: ApiSection = ApiSection()
    portal: PortalSection = PortalSection()
    vip: VipSection = VipSection()

    def node_of(self, backend: str) -> NodeSettings:
        """Find how the nodes of a back-end are set up."""
        grids: dict[str, NodeSettings] = {"dirac": self.dirac.node, "diracx": self.diracx.node}
        return grids.get(backend, self.node)
