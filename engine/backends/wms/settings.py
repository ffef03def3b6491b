"""What the engine is told of a grid, whichever way it asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.backends.wms.jdl import JobRequirements
from engine.backends.wms.resources import Rates
from wrappers import wire


@dataclass(frozen=True, slots=True)
class GridSettings:
    """The identity, job description and polling of a back-end behind DIRAC."""

    node: wire.Node
    vo: str = ""
    """What the credential must be for; empty: whatever it is for."""
    group: str = ""
    requirements: JobRequirements = field(default_factory=JobRequirements)
    rates: Rates = field(default_factory=Rates)
    at_once: int = 4
    """Submitting requests at a time."""
    window: int = 10_000
    """Submissions in flight at a time."""
    poll_interval: float = 20.0
    """Seconds between two looks."""
    settled_after: float = 60.0
    """Seconds after which a request that was given up is certainly over at the server."""
    shared_files: bool = False
    """Whether nodes find the files of this machine under the same paths."""


def proxy_init(group: str, proxy: Path | None) -> str:
    """Write the command that makes a proxy."""
    return f"dirac-proxy-init{f' -g {group}' if group else ''}{f' --out {proxy}' if proxy else ''}"
