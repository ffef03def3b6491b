"""Where a DIRAC client is, and as whom it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.settings.dirac import DiracClientSection


@dataclass(frozen=True, slots=True)
class DiracClientSettings:
    """The settings by which a DIRAC client is started."""

    command: tuple[str, ...] = ()
    """DIRAC's own Python, with arguments; empty: `python`, in the environment of `diracosrc`."""
    diracosrc: Path | None = None
    """A file to source before; none: the engine's own environment."""
    proxy: Path | None = None
    """None: where DIRAC finds one by itself."""


def dirac_client_settings(section: DiracClientSection) -> DiracClientSettings:
    """Read how the DIRAC client of the settings is started."""
    source = section.diracosrc.expanduser() if section.diracosrc else None
    return DiracClientSettings(section.command, source, section.proxy.expanduser() if section.proxy else None)


@dataclass(frozen=True, slots=True)
class CatalogueSettings:
    """The settings of files at `lfn:`."""

    client: DiracClientSettings
    elements: tuple[str, ...] = ()
    """Storage elements for new files, in order."""
    failover: tuple[str, ...] = ()
    """Those that take a file when none of `elements` does, until DIRAC has moved it."""
