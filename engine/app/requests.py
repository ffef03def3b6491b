"""What a user asks for when submitting; None leaves a choice to the descriptor or the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.planning import Sweep


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """A descriptor, what to run it over, and how."""

    descriptor: str
    invocations: Sequence[str]
    """Files, directories, or `-` for standard input; see `engine.planning`."""
    sweep: Sweep = field(default_factory=Sweep)
    """How they are multiplied."""
    backend: str | None = None
    results: Path | None = None
    stores: Sequence[str] = ()
    """Storages or URLs where results are kept, in order; without any, jobs of this machine deliver to the
    directory of results."""
    key: str | None = None
    runtimes: Sequence[str] = ()
    root: str = ""
    cores: int | None = None
    memory: int | None = None
    wall: float | None = None
    group: int = 1
    results_name: str | None = None
    """Template of the names of results, see `engine.domain.naming`; None takes the setting."""
    compat: bool = False
    network: bool = False
    """Whether a descriptor that is not in bosh's cache may be fetched from Zenodo."""
