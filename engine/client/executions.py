"""The use cases of executions at a daemon, by the engine's own routes (`/rest/engine`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from engine.client.requests import WORK, Requests
from engine.domain.job import JobState
from engine.domain.shown_states import ShownJobState
from engine.errors import NotFound
from engine.ids import new_id
from engine.usecases import (
    CheckedView,
    ExecutionView,
    JobHistory,
    JobView,
    Location,
    ProductView,
    newest_of,
    only,
)

_WHOLE_ID = 26
_LISTED, _PAGE = 100, 500
_V = TypeVar("_V", ExecutionView, JobView, ProductView, CheckedView, JobHistory)


class RemoteExecutions(Requests):
    """`engine.usecases.Executions` but for what brings files. Threads have one each."""

    interval_s = 1.0
    goes_on = True

    def descriptor(self, pipeline: str) -> Mapping[str, Any]:
        """Return the descriptor of a pipeline that one may launch (`name/version`), or of a DOI.

        Raises:
            BadRequest: there is none.
        """
        asked = urlencode({"pipeline": pipeline})
        return dict(self._json("GET", f"engine/descriptor?{asked}")["descriptor"])

    def submit(self, wanted: Mapping[str, Any]) -> tuple[ExecutionView, bool, Sequence[str]]:
        """Start an execution: `wanted` is the document of `POST /rest/engine/executions`. Tell whether it is
        new, and what there is to know.

        Raises:
            BadRequest: something is wrong with it.
        """
        keyed = {**wanted, "key": wanted.get("key") or new_id()}
        made = self._json("POST", "engine/executions", keyed, within=WORK)
        return self._view(ExecutionView, made["execution"]), bool(made["new"]), made["warnings"]

    def plan(self, wanted: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Show each job of such a document as it would run, and what there is to know. Files of the virtual
        tree in `coming` need not be there.

        Raises:
            BadRequest: something is wrong with it.
        """
        made = self._json("POST", "engine/plan", wanted, within=WORK)
        return made["jobs"], made["warnings"]

    def resolve(self, text: str | None) -> str:
        """Find the id that a person means."""
        if not text:
            return newest_of([one.id for one in self.newest(limit=1)])
        wanted = text.upper()
        if not (wanted.isascii() and wanted.isalnum()):
            return only((), text)
        found = [one.id for one in self._listed(starting=wanted, limit=2)]
        if not found and len(wanted) == _WHOLE_ID:  # another's perhaps: administrators see it
            try:
                found = [self.status(wanted).id]
            except NotFound:
                found = []
        return only(found, text)

    def newest(self, *, limit: int, before: str | None = None) -> Sequence[ExecutionView]:
        """List executions, newest first."""
        found: list[ExecutionView] = []
        while len(found) < limit:
            size = min(limit - len(found), _LISTED)
            some = self._listed(limit=size, **({"before": before} if before else {}))
            found += some
            if len(some) < size:
                break
            before = found[-1].id
        return found

    def status(self, id_: str) -> ExecutionView:
        """Show how an execution stands."""
        return self._view(ExecutionView, self._json("GET", _path(id_)))

    def jobs(self, id_: str, states: Sequence[ShownJobState] = ()) -> Iterator[JobView]:
        """List the jobs of an execution by number."""
        asked = [("state", str(state)) for state in states]
        return (self._view(JobView, one) for one in self._paged(f"{_path(id_)}/jobs", asked))

    def job(self, id_: str, number: int) -> JobView:
        """Show one job."""
        return self._view(JobView, self._of_job(id_, number))

    def history(self, id_: str, number: int) -> JobHistory:
        """Tell what happened to a job."""
        return self._view(JobHistory, self._of_job(id_, number, "/history"))

    def log(self, id_: str, number: int, stream: str, attempt: int, offset: int) -> bytes:
        """Read a piece of what an attempt of a job printed."""
        asked = urlencode({"stream": stream, "attempt": attempt, "offset": offset})
        return self._bytes("GET", f"{_path(id_)}/jobs/{number}/log?{asked}")

    def products(self, id_: str) -> Iterator[ProductView]:
        """List the results of an execution."""
        return (self._view(ProductView, one) for one in self._paged(f"{_path(id_)}/results", ()))

    def check(self, id_: str, *, deep: bool) -> Iterator[CheckedView]:
        """Look whether the results of an execution are where they were put."""
        after: int | None = 0
        while after is not None:
            page = self._json("POST", f"{_path(id_)}/check", {"deep": deep, "after": after}, within=WORK)
            yield from (self._view(CheckedView, one) for one in page["items"])
            after = page["next"]

    def location(self, view: ExecutionView) -> Location:
        """Say where the results of an execution are."""
        if not view.tally.get("succeeded"):
            return Location(view.results, [f"nothing is in {view.results}"])
        home = f"engine results {view.id} --download DIR brings them home"
        return Location(view.results, [f"results in {view.results}; {home}"])

    def follow(self, id_: str, watch: Callable[[ExecutionView], None]) -> ExecutionView:
        """Return when an execution is over; it goes on without us."""
        while True:
            view = self.status(id_)
            watch(view)
            if view.over:
                return view
            self._clock.sleep(self.interval_s)

    def cancel(self, id_: str) -> bool:
        """Ask for the end of an execution."""
        return bool(self._json("POST", f"{_path(id_)}/cancel")["asked"])

    def pause(self, id_: str) -> bool:
        """Start nothing new of an execution until it is resumed."""
        return bool(self._json("POST", f"{_path(id_)}/pause")["asked"])

    def resume(self, id_: str) -> bool:
        """Let a paused execution go on."""
        return bool(self._json("POST", f"{_path(id_)}/resume")["asked"])

    def retry(self, id_: str, states: Sequence[JobState], number: int | None) -> int:
        """Make finished jobs in these states ready again."""
        wanted = {"states": [str(state) for state in states], "number": number}
        return int(self._json("POST", f"{_path(id_)}/retry", wanted)["jobs"])

    def leave(self) -> None:
        """Do nothing: the daemon goes on."""

    def _listed(self, **asked: Any) -> list[ExecutionView]:
        found = self._json("GET", f"engine/executions?{urlencode(asked)}")
        return [self._view(ExecutionView, one) for one in found]

    def _of_job(self, id_: str, number: int, what: str = "") -> Any:
        try:
            return self._json("GET", f"{_path(id_)}/jobs/{number}{what}")
        except NotFound as error:
            raise NotFound(error.message, remedy="engine jobs shows them") from None

    def _paged(self, path: str, asked: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self._json("GET", f"{path}?{urlencode([*asked, ('after', after), ('limit', _PAGE)])}")
            yield from page["items"]
            after = page["next"]

    def _view(self, kind: type[_V], document: Mapping[str, Any]) -> _V:
        """Make one of what a daemon sends; a newer one may send more.

        Raises:
            BadRequest: it sends less.
        """
        known = {one.name for one in fields(kind)}
        try:
            return kind(**{name: value for name, value in document.items() if name in known})
        except (TypeError, AttributeError):
            raise self._no_daemon("it does not send what this version needs") from None


def _path(id_: str) -> str:
    return f"engine/executions/{quote(id_, safe='')}"
