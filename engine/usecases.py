"""What can be asked of executions, wherever the engine is: a protocol over plain values. The command line
speaks it with the engine in its own process (`engine.cli.in_process`) and with a daemon over HTTP
(`engine.client.executions`).

Jobs are numbered from 1. The dataclasses become JSON as they are: `docs/reference/json.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypedDict

from engine.domain.job import JobState
from engine.domain.shown_states import FINAL_EXECUTIONS, FINAL_JOBS, ShownJobState
from engine.errors import BadRequest, NotFound

VERSION = 2
"""Of the values below, as they are printed and sent: keys are only added within a version."""


def schema_of(what: str) -> str:
    """Name the schema of what is printed or sent: it is in each of them as `schema`."""
    return f"engine/{what}/{VERSION}"


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """An execution as it is shown."""

    id: str
    name: str
    """Of its tool."""
    owner: str
    state: str
    intent: str
    """What its user wants: `run`, `pause` or `cancel`; `wait`: its turn has not come."""
    backend: str
    jobs: int
    tally: Mapping[str, int]
    """Jobs by state; states without a job are left out."""
    results: str
    """URL of the directory of logs and provenance, and of results that are on no storage; at a platform the
    path of the results."""
    stores: Sequence[str]
    """URLs of the storages that results go to, in order; none: the directory above."""
    created: str
    ended: str | None
    seconds: float | None
    """From its creation to its end."""
    image: str | None
    trouble: str = ""
    """Why nothing moves at the moment, when a service is down."""
    title: str = ""
    """What its user called it, at a platform."""
    incomplete: Sequence[str] = ()
    """Of each job that ran although others that it waited for had not succeeded (the first few): which."""
    held: str = ""
    """Why none of its jobs starts although nothing is wrong: it is paused, or it waits for its turn."""
    dataset: str = ""
    """URL of the BIDS data set that its results are, once it has ended; empty: there is none."""
    dataset_problem: str = ""
    """Why its results, which are of a BIDS app, could not be put into one data set; empty: they were."""
    schema: str = schema_of("execution")

    @property
    def finished(self) -> int:
        """Jobs that are final."""
        return sum(n for state, n in self.tally.items() if state in FINAL_JOBS)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL_EXECUTIONS


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it is shown."""

    id: str
    """EXECUTION:NUMBER."""
    number: int
    """From 1."""
    state: str
    attempts: int
    failure: str
    """The class of its failure; empty: none."""
    message: str
    exit_code: int | None
    """Of the tool, once it has ended."""
    parameters: Mapping[str, Any]
    """Values that differ between the jobs of the execution."""
    updated: str
    schema: str = schema_of("job")

    @property
    def over(self) -> bool:
        """Whether only `engine retry` moves it any more."""
        return self.state in FINAL_JOBS


@dataclass(frozen=True, slots=True)
class ProductView:
    """A result as it is shown."""

    job: int
    output: str
    """Id of the output in the descriptor."""
    name: str
    """Below all results of the execution."""
    url: str
    """Where it is; at a platform its path there."""
    size: int
    """Bytes."""
    sha256: str
    directory: bool
    packed: bool = False
    """A directory that is kept as a tar."""
    schema: str = schema_of("result")


class ResultHealth(StrEnum):
    """The state in which a result was found."""

    GOOD = "good"
    FROM_COPY = "from copy"  # what was lost is made anew from a copy, which is the result meanwhile
    LOST = "lost"
    UNKNOWN = "unknown"  # its storage does not answer


@dataclass(frozen=True, slots=True)
class CheckedView:
    """A result as it was found."""

    job: int
    name: str
    url: str
    health: str
    """`good`, `from copy`, `lost`, or `unknown` when its storage does not answer."""
    schema: str = schema_of("checked")


class PlanView(TypedDict):
    """A job as it would run."""

    job: int
    parameters: Mapping[str, Any]
    command: str
    inputs: Sequence[Mapping[str, str]]
    """Each with `id`, `from`, and `as`: its name for the tool."""
    outputs: Sequence[Mapping[str, Any]]
    """Each with `id`, `path`, `optional`, and `name` where results are to be named."""
    image: str | None
    pinned_by: str | None
    image_size: int | None
    runtimes: Sequence[str]
    backend: str
    schema: str


EventView = TypedDict(
    "EventView",
    {
        "at": str,
        "attempt": int | None,
        "event": str,
        "from": str | None,
        "to": str | None,
        "detail": str,
        "message": str,
        "schema": str,
    },
)


class LogView(TypedDict):
    """A piece of a log."""

    offset: int
    text: str
    schema: str


@dataclass(frozen=True, slots=True)
class JobHistory:
    """The history of a job."""

    events: Sequence[Mapping[str, Any]]
    """Each with `at`, `try`, `news`, `from`, `to`, `detail` and `words`."""
    summary: Sequence[str]
    """Where it stands, and what its last report says."""
    phases: Sequence[Mapping[str, Any]] = ()
    """Of its last report, each with `name` and `seconds`."""


@dataclass(frozen=True, slots=True)
class Location:
    """The location of the results of an execution that has ended, for people."""

    path: str
    """Shown on standard output."""
    lines: Sequence[str]
    """What else there is to say."""


class Executions(Protocol):
    """The use cases of executions. NotFound is raised for an execution or a job that is not there."""

    interval_s: float
    """Seconds between two looks at what is watched."""
    goes_on: bool
    """Whether executions go on when the command that follows them is interrupted."""

    def resolve(self, text: str | None) -> str:
        """Find the id that a person means: an id, a unique beginning of one, or nothing for the newest."""

    def newest(self, *, limit: int, before: str | None = None) -> Sequence[ExecutionView]:
        """List executions, newest first; `before`: only older ones than this id."""

    def status(self, id_: str) -> ExecutionView:
        """Show how an execution stands."""

    def jobs(self, id_: str, states: Sequence[ShownJobState] = ()) -> Iterator[JobView]:
        """List the jobs of an execution by number, all or those in some states."""

    def job(self, id_: str, number: int) -> JobView:
        """Show one job."""

    def history(self, id_: str, number: int) -> JobHistory:
        """Tell what happened to a job."""

    def log(self, id_: str, number: int, stream: str, attempt: int, offset: int) -> bytes:
        """Read a piece of what an attempt of a job printed (`out`, `err`, or `debug`), from `offset` on;
        attempts are counted from 1, and one that is not there has printed nothing.
        """

    def products(self, id_: str) -> Iterator[ProductView]:
        """List the results of an execution."""

    def download(self, id_: str, into: Path) -> Iterator[ProductView]:
        """Bring the results of an execution into a directory; gives each when it is there."""

    def check(self, id_: str, *, deep: bool) -> Iterator[CheckedView]:
        """Look whether the results of an execution are where they were put; `deep`: by their checksums."""

    def location(self, view: ExecutionView) -> Location:
        """Say where the results of an execution are."""

    def follow(self, id_: str, watch: Callable[[ExecutionView], None]) -> ExecutionView:
        """Return when an execution is over; `watch` is told again and again how it stands."""

    def cancel(self, id_: str) -> bool:
        """Ask for the end of an execution; False when it is over already."""

    def pause(self, id_: str) -> bool:
        """Start nothing new of an execution until it is resumed; False when it is over already."""

    def resume(self, id_: str) -> bool:
        """Let a paused execution go on; False when it is over already."""

    def retry(self, id_: str, states: Sequence[JobState], number: int | None) -> int:
        """Make finished jobs in these states ready again, all or one; returns how many."""

    def leave(self) -> None:
        """See that everything goes on without this program."""


def only(found: Sequence[str], text: str) -> str:
    """Give the one id that begins with a text.

    Raises:
        NotFound: there is none, or more than one.
    """
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"several executions begin with {text}", remedy="write more of the id")
    raise NotFound(f"no execution {text}", remedy="engine list shows them")


def newest_of(found: Sequence[str]) -> str:
    """Give the newest of some ids, which come newest first.

    Raises:
        NotFound: there is none.
    """
    if not found:
        raise NotFound("there is no execution yet", remedy="engine submit makes one")
    return found[0]


def parted(text: str | None) -> tuple[str, int | None]:
    """Split what a person calls a job, EXECUTION:NUMBER, either of which may be left out.

    Raises:
        BadRequest: the number is not one.
    """
    id_, _, number = (text or "").partition(":")
    if not number:
        return id_, None
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        raise BadRequest(
            f"{text}: the number of a job is needed after the colon", remedy="jobs are counted from 1"
        )
    return id_, int(number)


_DIGITS = 9


def within_others(products: Collection[ProductView]) -> set[str]:
    """Name those results of a job that lie in a directory which is a result of it too."""
    directories = {one.name for one in products if one.directory}
    return {
        one.name
        for one in products
        if any(above.as_posix() in directories for above in PurePosixPath(one.name).parents)
    }
