"""What a user asks for when submitting; None leaves a choice to the descriptor or the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.domain.options import GridOptions
from engine.ids import ExecutionId
from engine.planning import Descriptor, Point, Sweep


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """A descriptor, what to run it over, and how."""

    descriptor: str | Descriptor
    invocations: Sequence[str | Mapping[str, Any]]
    """Files, directories, `-` for standard input, or plain values; see `engine.planning`."""
    sweep: Sweep = field(default_factory=Sweep)
    """How they are multiplied."""
    points: Sequence[Point] | None = None
    """The jobs themselves, in place of invocations, where somebody else has multiplied them."""
    backend: str | None = None
    results: Path | None = None
    stores: Sequence[str] = ()
    """Storages or URLs where results are kept, in order; without any, jobs of this machine deliver to the
    directory of results."""
    copies: Sequence[str] = ()
    """URLs of directories that get a copy of each result, under its name with _ for /."""
    spare: str = ""
    """Directory of the embedded storage for what no other destination takes, percent-encoded; "": its top."""
    key: str | None = None
    id: ExecutionId | None = None
    """The new id that the execution is to have; None: any."""
    runtimes: Sequence[str] = ()
    root: str = ""
    isolated: bool = False
    """Whether the tool must be kept apart from the engine and its account; and from this machine's network,
    unless the settings name another."""
    cores: int | None = None
    memory: int | None = None
    wall: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the tool, beside its descriptor's and over them."""
    retries: int | None = None
    """Further attempts after one kind of failure, at most; None: what the cause allows."""
    grid: GridOptions = field(default_factory=GridOptions)
    """What is asked of a grid."""
    group: int = 1
    results_name: str | None = None
    """Template of the names of results, see `engine.domain.naming`; None takes the setting."""
    compat: bool = False
    understand: Callable[[str], str] | None = None
    """What File values mean, for users who have no business with the files of this machine: turns each into
    an absolute path or a URL, or raises BadRequest. None: they are paths and URLs."""
    coming: Collection[str] = ()
    """Paths and URLs, as `understand` gives them, of files that are brought only afterwards: while a request
    is shown that nobody submits, they are not looked for."""
    network: bool = False
    """Whether a descriptor that is not in bosh's cache may be fetched from Zenodo."""
