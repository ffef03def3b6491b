"""Running in the foreground: progress, Ctrl-C, and the end of an execution."""

from __future__ import annotations

import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from engine.cli import show, signals
from engine.cli.session import session

if TYPE_CHECKING:
    from engine.usecases import ExecutionView

CANCELLED = 130
EXIT_CODES = {"succeeded": 0, "partial": 1, "failed": 1, "cancelled": CANCELLED}


def run(view: ExecutionView, *, json: bool) -> int:
    """Follow an execution to its end; Ctrl-C asks what is meant. Returns the exit code.

    Raises:
        KeyboardInterrupt: this command was ended, and nobody could be asked; the execution goes on.
    """
    ours = session.executions
    cancelling = False
    show.say(f"engine: {show.cell(view.name)}: {view.jobs} job(s), execution {view.id}")
    if view.held:
        show.say(f"engine: {view.held}")
    display = (LiveDisplay if sys.stderr.isatty() else Display)(view)
    while True:
        try:
            signals.listen_again()
            if cancelling:
                show.say("engine: cancelling; Ctrl-C again leaves without waiting")
            with display:
                view = ours.follow(view.id, display.update)
            break
        except KeyboardInterrupt:
            if cancelling:
                ours.leave()
                show.say(f"engine: its jobs are ended in the background; engine status {view.id} tells")
                return CANCELLED
            if ours.goes_on and not sys.stdin.isatty():
                show.say(f"engine: it goes on in the background; engine status --watch {view.id}")
                raise
            answer = _confirm(display.view)
            if answer == "detach":
                ours.leave()
                show.say(f"engine: it goes on in the background; engine status --watch {view.id}")
                return 0
            if answer == "cancel":
                ours.cancel(view.id)
                cancelling = True
    _conclude(view, json=json)
    stopped = view.intent == "cancel" and view.tally.get("cancelled")
    return CANCELLED if stopped else EXIT_CODES[view.state] or int(bool(view.dataset_problem))


def go_on(view: ExecutionView, earlier: str | None, *, detach: bool, json: bool) -> None:
    """Follow an execution that was submitted, or leave it to whoever goes on with it; `earlier` is its key
    where that was submitted before.

    Raises:
        typer.Exit: it is over.
    """
    if earlier:
        show.say(f"engine: key {earlier} was submitted before, as {view.id}")
    if not detach:
        raise typer.Exit(run(view, json=json))
    session.executions.leave()
    show.json_line(view) if json else print(view.id)
    jobs = show.counted(view.jobs, "job goes on", "jobs go on")
    show.say(f"engine: {jobs} in the background; engine status --watch {view.id}")


class Display:
    """Nothing but words where there is no terminal; the reconciler's warnings are among them."""

    def __init__(self, view: ExecutionView) -> None:
        self.view = view
        """How it stood when it was last looked at."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, view: ExecutionView) -> None:
        """Show how it stands."""
        if view.held != self.view.held and view.intent != "cancel":
            self._say_held(view)
        self.view = view

    def _say_held(self, view: ExecutionView) -> None:
        show.say(f"engine: {view.held or 'it goes on'}")


class LiveDisplay(Display):
    """A live bar on a terminal."""

    def __init__(self, view: ExecutionView) -> None:
        from rich.console import Console  # 40 ms that a pipe need not pay
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        super().__init__(view)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[tally]}", style="dim", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(show.cell(view.name), total=view.jobs, tally="")

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _say_held(self, view: ExecutionView) -> None:
        pass  # the bar does

    def update(self, view: ExecutionView) -> None:
        """Show how it stands."""
        super().update(view)
        words = view.trouble or view.held or ", ".join(f"{n} {state}" for state, n in view.tally.items())
        self._progress.update(self._task, completed=view.finished, tally=show.cell(words))


def _confirm(view: ExecutionView) -> str:
    if not sys.stdin.isatty():
        return "cancel"
    show.say(f"\nengine: {view.jobs - view.finished} of {view.jobs} jobs are not finished.")
    question = "  [c]ancel them, [d]etach and let them run in the background, or [g]o on? "
    signals.listen_again()
    with suppress(EOFError, KeyboardInterrupt):  # no answer means what Ctrl-C means everywhere
        while True:
            print(question, end="", file=sys.stderr, flush=True)
            while not select.select([sys.stdin], [], [], 0.5)[0]:
                pass  # a signal just before `input` would be heard only after its answer
            answer = input().strip().lower()
            for choice in ("cancel", "detach", "go on"):
                if answer and choice.startswith(answer):
                    return choice
    show.say()
    return "cancel"


def _conclude(view: ExecutionView, *, json: bool) -> None:
    from engine.domain.shown_states import ShownJobState

    if json:
        show.json_line(view)
    failed = session.executions.jobs(view.id, [ShownJobState.FAILED, ShownJobState.SKIPPED])
    number: int | str = "NUMBER"
    for job, _ in zip(failed, range(10), strict=False):
        if job.state == ShownJobState.FAILED and number == "NUMBER":
            number = job.number
        how = "was skipped" if job.state == ShownJobState.SKIPPED else f"failed ({job.failure})"
        show.say(f"engine: job {job.number} {how}: {show.cell(job.message)}")
    for line in view.incomplete:
        show.say(f"engine: {line}")
    words = ", ".join(f"{n} {state}" for state, n in view.tally.items())
    show.say(f"engine: {view.state}: {words}, {view.seconds or 0:.1f} s")
    found = session.executions.location(view)
    if not json:
        print(found.path)
    for line in [*found.lines, *show.dataset(view)]:
        show.say(f"engine: {line}")
    if view.tally.get("failed"):
        show.say(f"engine: engine explain {view.id}:{number} tells why; engine retry {view.id} tries again")
