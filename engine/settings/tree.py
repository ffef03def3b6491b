"""Everything that can be set."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from pydantic import Field

from engine import xdg
from engine.settings.backends import Backends
from engine.settings.data import CredentialSection, DataSection, StorageSection
from engine.settings.dirac import DiracClientSection
from engine.settings.node import LimitSettings, NodeSettings
from engine.settings.section import Section
from engine.settings.service import ApiSection, PortalSection
from engine.settings.vip import VipSection


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for this uid
        return f"uid-{os.getuid()}"


class Settings(Section):
    """The settings of an engine."""

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
    backends: Backends = Field(default_factory=dict, validate_default=True)
    """Back-ends by name, each of a `kind`; `local` is this machine, and is there without any settings."""
    node: NodeSettings = Field(default_factory=NodeSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    storages: dict[str, StorageSection] = Field(default_factory=dict)
    """Storages by name."""
    credentials: dict[str, CredentialSection] = Field(default_factory=dict)
    """Credentials by name."""
    data: DataSection = Field(default_factory=DataSection)
    api: ApiSection = Field(default_factory=ApiSection)
    portal: PortalSection = Field(default_factory=PortalSection)
    vip: VipSection = Field(default_factory=VipSection)

    def node_of(self, backend: str) -> NodeSettings:
        """Find how the nodes of a back-end are set up."""
        section = self.backends.get(backend)
        return section.node_settings(self.node) if section else self.node

    def dirac_client(self, backend: str = "") -> DiracClientSection | None:
        """Find the DIRAC client of a back-end that has one, else of the default one, else of the first that
        has one; None where no back-end has one.
        """
        for name in (backend, self.backend, *self.backends):
            section = self.backends.get(name)
            if isinstance(section, DiracClientSection):
                return section
        return None
