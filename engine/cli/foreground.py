"""Running in the foreground: progress, Ctrl-C, and handing over to a background engine."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli import show, signals
from engine.cli.session import session

if TYPE_CHECKING:
    from engine.app.views import ExecutionView
    from engine.ids import ExecutionId
    from engine.wiring import Engine

CANCELLED = 130
EXIT_CODES = {"succeeded": 0, "partial": 1, "failed": 1, "cancelled": CANCELLED}


def run(engine: Engine, view: ExecutionView, *, json: bool) -> int:
    """Follow an execution to its end; Ctrl-C asks what is meant. Returns the exit code."""
    from engine.ids import ExecutionId

    id_ = ExecutionId(view.id)
    cancelling = False
    show.say(f"engine: {show.cell(view.name)}: {view.jobs} job(s), execution {view.id}")
    display = (LiveDisplay if sys.stderr.isatty() else Display)(view)
    while True:
        try:
            signals.listen_again()
            if cancelling:
                show.say("engine: cancelling; Ctrl-C again leaves without waiting")
            with display:
                view = engine.driver.follow(id_, display.update)
            break
        except KeyboardInterrupt:
            if cancelling:
                detach(session.config)
                show.say(f"engine: its jobs are ended in the background; engine status {id_} tells")
                return CANCELLED
            answer = _confirm(display.view)
            if answer == "detach":
                detach(session.config)
                show.say(f"engine: it goes on in the background; engine status --watch {id_}")
                return 0
            if answer == "cancel":
                from engine.app.portal.audited_actions import (  # most runs need it not
                    KILL,
                    local_actor,
                    record_request,
                )

                engine.app.cancel(id_, record_request(engine.trail, local_actor(), KILL))
                cancelling = True
    _conclude(engine, view, json=json)
    stopped = view.intent == "cancel" and view.tally.get("cancelled")
    return CANCELLED if stopped else EXIT_CODES[view.state]


def detach(config: Path | None) -> None:
    """Start a background engine that reconciles until nothing is left to run."""
    from engine import xdg

    log = xdg.directory("XDG_STATE_HOME", ".local/state") / "engine.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = ["--config", str(config.absolute())] if config else []
    with log.open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "engine", *options, "serve", "--until-idle", "--no-http"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


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
        self.view = view


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

    def update(self, view: ExecutionView) -> None:
        """Show how it stands."""
        super().update(view)
        words = view.trouble or ", ".join(f"{n} {state}" for state, n in view.tally.items())
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
            for word in ("cancel", "detach", "go on"):
                if answer and word.startswith(answer):
                    return word
    show.say()
    return "cancel"


def _conclude(engine: Engine, view: ExecutionView, *, json: bool) -> None:
    from engine.domain.job import JobState
    from engine.ids import ExecutionId
    from engine.storages.file import to_path

    if json:
        show.json_line(view)
    id_ = ExecutionId(view.id)
    failed = engine.app.jobs(id_, [JobState.FAILED, JobState.SKIPPED])
    for job, _ in zip(failed, range(10), strict=False):
        how = "was skipped" if job.state == JobState.SKIPPED else f"failed ({job.failure})"
        show.say(f"engine: job {job.number} {how}: {show.cell(job.message)}")
    words = ", ".join(f"{n} {state}" for state, n in view.tally.items())
    show.say(f"engine: {view.state}: {words}, {view.seconds:.1f} s")
    path = to_path(view.results)
    where = _short(path)
    if not json:
        print(where)
    parts = {"outputs": "results", "provenance": "provenance", "logs": "logs"}
    there = [f"{what} in {where}/{part}" for part, what in parts.items() if (path / part).is_dir()]
    show.say(f"engine: {', '.join(there) or f'nothing is in {where}'}")
    if view.stores and view.tally.get("succeeded"):
        _print_destinations(engine, id_, view.stores)
    if view.tally.get("failed"):
        show.say(f"engine: engine explain {view.id}:NUMBER tells why; engine retry {view.id} tries again")


def _print_destinations(engine: Engine, id_: ExecutionId, stores: Sequence[str]) -> None:
    """Tell which of the storages that were wanted hold results, and that they hold none."""
    if on := [url for url in stores if engine.app.kept_on(id_, url)]:
        show.say(f"engine: results on {', '.join(on)}; engine results {id_} --download DIR brings them home")
    else:
        show.say(f"engine: no result could be kept on {', '.join(stores)}")
        show.say(f"engine: engine results {id_} shows where they are")


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
