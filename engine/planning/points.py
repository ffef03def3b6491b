"""From all that a user asks for to a numbered stream of invocations, and from there to checked jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, TypeVar

from engine.domain.need import ALL
from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.planning.bids import LEVEL, Dataset, LevelJob, bids_levels, contradiction
from engine.planning.bids_filters import filters_of
from engine.planning.readers import Readers
from engine.planning.rules import MAX_PROBLEMS, InvocationError
from engine.planning.sources import Source, SourcedInvocation, read_sources
from engine.planning.sweeps import (
    SWEEP,
    Dimension,
    constants,
    option_dimensions,
    product,
    sweep_dimensions,
    without_repetition,
)
from engine.planning.vip import Lister, list_local, results_directory, vip_dimensions
from engine.planning.vip_keys import RESULTS_DIRECTORY, key_problems

_T = TypeVar("_T")
REPEAT = "$repeat"
"""The parameter that tells repetitions apart; ids of inputs cannot contain `$`."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The rules by which invocations are multiplied, besides what they say themselves."""

    cross: Sequence[str] = ()
    """`id=values`, each a dimension of its own."""
    zip: Sequence[str] = ()
    """`id=values`, all together one dimension."""
    set: Sequence[str] = ()
    """`id=value`, the same for all jobs; stronger than the invocation."""
    bids: Dataset | None = None
    vip: bool = False
    """A list given to a scalar input is a sweep, and the descriptor's `vip:` keys hold."""
    repeat: int = 1
    first: int | None = None
    """Only so many jobs."""
    max_jobs: int | None = None
    """More jobs than this are an error."""
    now: float | None = None
    """Seconds since 1970, for the dated results directories of VIP."""
    list_directory: Lister = list_local
    """For `vip:directoryInputs` on other storages than this machine's files."""


@dataclass(frozen=True, slots=True)
class Point:
    """A numbered invocation."""

    index: int
    """From 0, without gaps, in an order that the request alone determines."""
    invocation: dict[str, Any]
    parameters: dict[str, Any]
    """What may differ from job to job."""
    where: str
    """Where it comes from: `sweep.csv line 17`."""
    problem: str = ""
    """Why it cannot be read, when it cannot."""
    results: str | None = None
    """VIP's results-directory for this job."""
    step: int = 0
    """Which level of a BIDS app it is of."""
    place: Mapping[str, str] = field(default_factory=dict)
    """Its places on the axes of its step, such as its participant."""
    needs: Sequence[int] = ()
    """Numbers (from 1) of the jobs before it that it waits for."""
    need: str = ALL
    """How many of these must succeed, see `engine.domain.need`."""


def read_invocations(
    sources: Sequence[Source], tool: Tool, sweep: Sweep | None = None, *, stdin: BinaryIO | None = None
) -> Iterator[Point]:
    """Yield the jobs that a request asks for, streamed.

    Args:
        sources: files and directories, `-` for standard input; their content tells what they are. Or
            invocations themselves.
        tool: types the values of tables and options.
        sweep: options that multiply.
        stdin: read for `-` instead of the process's own.

    Raises:
        BadRequest: the request as a whole is wrong; trouble with one invocation is its `problem`.
    """
    sweep = sweep if sweep is not None else Sweep()
    if sweep.repeat < 1:
        raise BadRequest(f"--repeat {sweep.repeat}: at least 1 is needed")
    if sweep.vip and (wrong := key_problems(tool)):
        raise BadRequest(f"{tool.name}: {wrong[0]}", problems=[f"{tool.name}: {line}" for line in wrong])
    if sweep.bids is not None:
        filters_of(sweep.bids.filters, tool)  # what is wrong with them is wrong with every invocation
    settings = constants(sweep.set, tool)
    options = option_dimensions(sweep.cross, sweep.zip, tool)
    if both := [id for dimension in options for id in dimension.ids if id in settings]:
        raise BadRequest(f"--set {both[0]}: --cross or --zip gives this input other values")
    if not sources and not (settings or options or sweep.bids):
        raise BadRequest(
            "there is no invocation",
            remedy="name a file, or - for standard input, or give values with --set and --cross",
        )
    items = (
        read_sources(sources, tool, stdin)
        if sources
        else iter([SourcedInvocation({}, "command line", False)])
    )
    index, readers = 0, Readers()
    for at, item in enumerate(items):
        for draft, branch in _drafts(item, tool, sweep, settings, options):
            if sweep.first is not None and index >= sweep.first:
                return
            if sweep.max_jobs is not None and index >= sweep.max_jobs:
                raise _too_many(sweep.max_jobs)
            if sweep.bids is not None:
                waits = readers.waits_for((at, branch), draft.step, draft.place, index + 1)
                draft = draft._replace(needs=waits, need=draft.need if waits else ALL)
            yield Point(index, *draft)
            index += 1


def expand_points(
    points: Iterator[Point], expand: Callable[[Point], _T], *, most: int = MAX_PROBLEMS
) -> Iterator[_T]:
    """Expand each point with `expand` until one is refused; then only look for more problems.

    Raises:
        BadRequest: points are refused; `problems` lists the first of them, each with its place.
    """
    problems: list[str] = []
    for point in points:
        found: Sequence[str] = [point.problem] if point.problem else []
        if not found:
            try:
                expanded = expand(point)
            except InvocationError as error:
                found = error.problems
            else:
                if not problems:
                    yield expanded
        # Points of one sweep break the same rule with the same words: once is enough.
        problems += [text for text in (f"{point.where}, {line}" for line in found) if text not in problems]
        if len(problems) >= most:
            break
    if problems:
        raise _refusal(problems[:most])


def _refusal(problems: Sequence[str]) -> BadRequest:
    """One error for a whole request: `sweep.csv line 17, input frac: 1.4 is above the maximum 1`."""
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return BadRequest(f"{problems[0]}{more}", problems=problems)


class _Draft(NamedTuple):
    """A point without its number."""

    invocation: dict[str, Any]
    parameters: dict[str, Any]
    where: str
    problem: str = ""
    results: str | None = None
    step: int = 0
    place: Mapping[str, str] = {}
    needs: Sequence[int] = ()
    need: str = ALL


def _drafts(
    item: SourcedInvocation, tool: Tool, sweep: Sweep, settings: dict[str, Any], options: list[Dimension]
) -> Iterator[tuple[_Draft, tuple[int, int]]]:
    """Yield the points of one item, not yet numbered, each with the place of its combination of all that is
    no level, and of its repetition.
    """
    own = item.invocation if item.one_of_many else {}
    if item.problem:
        yield _Draft({}, {}, item.where, item.problem), (0, 0)
        return
    base = {**item.invocation, **settings}
    own = {id: value for id, value in own.items() if id != SWEEP}
    try:
        dimensions = sweep_dimensions(base.pop(SWEEP), tool, item.where) if SWEEP in base else []
        if sweep.vip:
            base, iterated = vip_dimensions(base, tool, item.where, sweep.list_directory)
            dimensions = iterated + dimensions
        dimensions = without_repetition(dimensions + options, item.where)
        if sweep.bids is not None:
            _refuse_contradiction(base, dimensions, tool, sweep.bids)
    except BadRequest as error:
        yield _Draft({}, {}, item.where, str(error).removeprefix(f"{item.where}, ")), (0, 0)
        return
    jobs = math.prod(len(one.rows) for one in dimensions) * sweep.repeat
    if sweep.max_jobs is not None and min(jobs, sweep.first or jobs) > sweep.max_jobs:
        raise _too_many(sweep.max_jobs)  # at once, not after a million others
    for level in _levels(base, tool, sweep):
        for at, combination in enumerate(product(dimensions)):
            varied = {**level.values, **combination} if level.values or own else combination
            values = {**base, **varied}
            results = values.pop(RESULTS_DIRECTORY, None) if sweep.vip else None
            if isinstance(results, str):
                results = results_directory(results, tool, sweep.now)
            for number in range(1, sweep.repeat + 1):
                repeat = {REPEAT: number} if sweep.repeat > 1 else {}
                parameters = {**own, **varied, **repeat}
                draft = _Draft(values, parameters, item.where, "", results, level.step, level.point)
                yield draft._replace(need=level.need), (at, number)


def _too_many(most: int) -> BadRequest:
    return BadRequest(f"the request makes more than {most} jobs", remedy="see --max-jobs")


def _refuse_contradiction(
    base: dict[str, Any], dimensions: list[Dimension], tool: Tool, dataset: Dataset
) -> None:
    """Raise BadRequest when an invocation or sweep gives what a data set gives."""
    swept = dict.fromkeys(id for dimension in dimensions for id in dimension.ids)
    problem = contradiction({**base, **swept}, tool, dataset)
    if not problem and LEVEL in swept:
        problem = f"input {LEVEL}: --bids makes jobs of all levels; --set {LEVEL}=LEVEL takes one"
    if problem:
        raise BadRequest(problem)


def _levels(base: dict[str, Any], tool: Tool, sweep: Sweep) -> Iterator[LevelJob]:
    if sweep.bids is None:
        yield LevelJob({})
        return
    level = base.get(LEVEL)
    yield from bids_levels(sweep.bids, tool, level if isinstance(level, str) else None)
