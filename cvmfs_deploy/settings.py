"""Settings of a publisher: where to, and how. One YAML file; options win over it.

The file is `--config`, else `$CVMFS_DEPLOY_CONFIG`, else `~/.config/cvmfs-deploy.yaml`, else
`/etc/cvmfs-deploy.yaml`; without any, the defaults hold.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from cvmfs_deploy.documents import DocumentSection, read
from cvmfs_deploy.units import Duration, Size
from engine.errors import SettingsError

_COMPONENT = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*")
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]*")


def _work() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/cvmfs-deploy")
    return Path(os.path.expanduser("~")) / ".local" / "state" / "cvmfs-deploy"


class CvmfsSection(DocumentSection):
    """The use of `cvmfs_server` on this machine."""

    program: str = "cvmfs_server"
    """The program; it must be run as the owner of the repository, or as root."""
    mount: Path = Path("/cvmfs")
    """Where repositories are mounted."""
    spool: Path = Path("/var/spool/cvmfs")
    """Where `cvmfs_server` keeps the state of its repositories."""
    configuration: Path = Path("/etc/cvmfs/repositories.d")
    """Where the configuration of its repositories is."""
    timeout: Duration = 4 * 3600.0
    """How long one command may take; then it gets SIGTERM, and is undone."""
    catalog_entries: int = Field(default=50_000, ge=1000)
    """Entries that one nested catalog may hold before directories get catalogs of their own."""
    template_share: float = Field(default=0.5, gt=0, le=1)
    """The part of an image, by bytes of its layers, that must be there already for a template transaction."""


class DeploySettings(DocumentSection):
    """The settings that are not about single images."""

    to: str = ""
    """Where to: a directory, `cvmfs:REPOSITORY`, or `cvmfs:REPOSITORY/PATH` where a gateway leases PATH."""
    root: str = "vip/udocker/containers"
    """The directory of udocker containers, below the top of the repository or directory."""
    work: Path = Field(default_factory=_work)
    """Journal, locks, fetched layers, and images being made: about three times the largest image."""
    mirrors: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Registry host -> base URLs that are tried in order before it."""
    credentials: str = ""
    """JSON file `{host: {"username": ..., "password": ...}}`; only its owner may read it."""
    authorities: str = ""
    """Directory or file of certificate authorities of registries; empty: X509_CERT_DIR, or a usual one."""
    puller: Literal["udocker", "own"] = "udocker"
    """Who fetches layers: udocker, and our own client what udocker cannot; or only our own."""
    transfers: int = Field(default=4, ge=1, le=32)
    """Layers that are fetched at a time."""
    parallel: int = Field(default=2, ge=1, le=32)
    """Images that are made at a time."""
    cache_size: Size = 20 * 10**9
    """Bytes of fetched layers that are kept for the next run, which may share them."""
    batch_size: Size = 20 * 10**9
    """Bytes of layers that go into one transaction; their trees take about three times as much in `work`."""
    wait: Duration = 600.0
    """How long to wait for another run, or for somebody else's transaction."""
    log: str = ""
    """A file to which the log is appended too."""
    cvmfs: CvmfsSection = Field(default_factory=CvmfsSection)

    @field_validator("root")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = value.strip("/").split("/")
        if not all(_COMPONENT.fullmatch(part) for part in parts):
            raise ValueError("names made of letters, digits and . _ @ + - are needed, none hidden")
        return "/".join(parts)

    @property
    def repository(self) -> str:
        """The CVMFS repository; "" when a directory is published to.

        Raises:
            SettingsError: it has no possible name.
        """
        if not self.to.startswith("cvmfs:"):
            return ""
        name = self.to.removeprefix("cvmfs:").partition("/")[0]
        if not _REPOSITORY.fullmatch(name):
            raise SettingsError(f"to: {self.to}: that is no name of a CVMFS repository")
        return name

    @property
    def lease(self) -> str:
        """The path of the repository that is leased from its gateway; "" is all of it.

        Raises:
            SettingsError: images would lie outside of it, or it has no possible name.
        """
        path = self.to.partition("/")[2].strip("/") if self.repository else ""
        if not path:
            return ""
        if not all(_COMPONENT.fullmatch(part) for part in path.split("/")):
            raise SettingsError(
                f"to: {self.to}: a leased path has letters, digits and . _ @ + -, none hidden"
            )
        if not f"{self.root}/".startswith(f"{path}/"):
            raise SettingsError(
                f"to: {self.to}: the images lie in {self.root}, which is not below the leased path {path}",
                remedy=f"set `root` to a directory below {path}, or lease a path above {self.root}",
            )
        return path


def load(config: Path | None, to: str = "", work: Path | None = None) -> DeploySettings:
    """Load the settings; the options `to` and `work` win over the file.

    Raises:
        SettingsError: nothing says where to publish.
        BadRequest: the file is wrong.
    """
    path = config or _usual()
    settings = read(path, DeploySettings) if path else DeploySettings()
    chosen = {"to": to or settings.to, "work": work or settings.work}
    settings = settings.model_copy(update=chosen)
    if not settings.to:
        raise SettingsError(
            "nothing says where to publish",
            remedy="set `to` in the settings file, or type --to DIRECTORY or --to cvmfs:REPOSITORY",
        )
    return settings


def _usual() -> Path | None:
    if named := os.environ.get("CVMFS_DEPLOY_CONFIG"):
        return Path(named)
    candidates = [Path(os.path.expanduser("~")) / ".config/cvmfs-deploy.yaml", Path("/etc/cvmfs-deploy.yaml")]
    return next((candidate for candidate in candidates if candidate.exists()), None)
