"""The options that make many jobs of one request, shared by `submit`, `plan` and `expand`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.planning import Sweep

_VALUES = "0.3,0.5, a JSON list, glob:PATTERN, lines:FILE, range:A:B:STEP or column:FILE:NAME"
Cross = Annotated[
    list[str] | None,
    typer.Option("--cross", metavar="ID=VALUES", help=f"All combinations with these values: {_VALUES}."),
]
Zip = Annotated[
    list[str] | None,
    typer.Option("--zip", metavar="ID=VALUES", help="Inputs that change together, side by side; repeated."),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="ID=VALUE", help="One value for all jobs; repeated.")
]
Bids = Annotated[
    str | None,
    typer.Option(help="BIDS data set: a job per participant and session that exist, level by level."),
]
Participants = Annotated[str | None, typer.Option(help="With --bids: only these, with commas.")]
Sessions = Annotated[str | None, typer.Option(help="With --bids: only these, with commas.")]
BidsFilter = Annotated[
    list[str] | None,
    typer.Option(
        "--bids-filter",
        metavar="ENTITY=LABEL",
        help="With --bids: only files with this in their names, as task=rest, or a filter file; repeated.",
    ),
]
Need = Annotated[
    str | None,
    typer.Option(
        help="With --bids: how many jobs must succeed for a level that runs once: all, any (the default), "
        "a fraction such as 0.9, or a number.",
    ),
]
Vip = Annotated[bool, typer.Option("--vip", help="VIP's rules: a list for a scalar input makes many jobs.")]
Repeat = Annotated[
    int, typer.Option(min=1, help="Run each job so many times, to see whether results differ.")
]
First = Annotated[int | None, typer.Option(min=1, help="Only the first so many jobs.")]
MaxJobs = Annotated[int, typer.Option(min=1, help="Refuse a request that makes more jobs than this.")]
MOST_JOBS = 1_000_000
"""Jobs of one request, unless it says otherwise: more are a slip, such as one zero too many."""


def sweep_from(
    cross: Cross = None,
    zip: Zip = None,
    set: Set = None,
    bids: Bids = None,
    participants: Participants = None,
    sessions: Sessions = None,
    bids_filter: BidsFilter = None,
    need: Need = None,
    vip: Vip = False,
    repeat: Repeat = 1,
    first: First = None,
    max_jobs: MaxJobs = MOST_JOBS,
) -> Sweep:
    """Gather the same options as one value.

    Raises:
        BadRequest: an option for data sets comes without one.
    """
    from engine.domain.need import ANY, check_need
    from engine.errors import BadRequest
    from engine.planning import Dataset, Sweep

    chosen = {"--participants": participants, "--sessions": sessions}
    for option, text in chosen.items():
        if text is not None and not _labels(text):
            raise BadRequest(f"{option}: names none", remedy="leave it out to take all")
    if bids is None and (participants or sessions or bids_filter or need is not None):
        raise BadRequest("--participants, --sessions, --bids-filter and --need need --bids")
    dataset = None
    if bids is not None:
        root = _directory(bids)
        enough = ANY if need is None else check_need(need, "--need")
        dataset = Dataset(root, _labels(participants), _labels(sessions), tuple(bids_filter or ()), enough)
    return Sweep(
        cross=tuple(cross or ()),
        zip=tuple(zip or ()),
        set=tuple(set or ()),
        bids=dataset,
        vip=vip,
        repeat=repeat,
        first=first,
        max_jobs=max_jobs,
        now=time.time() if vip else None,
    )


def _directory(text: str) -> str:
    """Find the directory that `--bids` names. Raises BadRequest when that is not one of this machine."""
    from engine.app.data.locations import path_of
    from engine.errors import BadRequest

    path = path_of(text)
    if not path:
        raise BadRequest("--bids: names no directory", remedy="write . for the current one")
    if "://" in path:
        raise BadRequest(f"--bids {text}: a data set must be on this machine", remedy="bring it here first")
    return path


def _labels(text: str | None) -> tuple[str, ...]:
    return tuple(label.strip() for label in text.split(",") if label.strip()) if text else ()
