"""A user at a desk: a directory to work in, a home, and the real command line in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import processes_at, processes_of
from tests.services import preloaded
from tests.services.preloaded import ENGINE

Command = Sequence[str | os.PathLike[str]]
Described = str | Mapping[str, Any]
"""The type of an input or the path template of an output; or all that Boutiques says of one."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What was said to people."""
        return self.err.splitlines()

    @property
    def value(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.out)

    @property
    def values(self) -> list[Any]:
        """A JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Execution:
    """A submit that has ended."""

    ran: Ran
    id: str
    results: Path

    def files(self, below: str = "") -> list[str]:
        """Every file of the results, as relative paths."""
        root = self.results / below
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())

    def read(self, name: str) -> str:
        """A file of the results."""
        return (self.results / name).read_text()

    def record(self, job: int = 1, ordinal: int = 1) -> Any:
        """A provenance record."""
        return json.loads(self.read(f"provenance/{job}.{ordinal}.json"))


@dataclass(frozen=True)
class Desk:
    """Where a user types commands."""

    directory: Path
    home: Path
    become: Callable[[Command], list[str]] = lambda words: [os.fspath(word) for word in words]
    """Puts before a command what makes it run as another user."""
    environment: Mapping[str, str] = field(default_factory=dict)
    preload: bool = True
    """False: commands are started as users start them, where a test looks at their processes."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    """Every command so far, so that none outlives the desk."""

    def all_variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of a command: nothing of ours that would change what it does."""
        ours = ("XDG_", "ENGINE_", "HOME", "COLUMNS", "LINES")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**kept, "HOME": str(self.home), **self.environment, **extra}

    def start(self, *words: str | Path, before: Command = (), **options: Any) -> subprocess.Popen[str]:
        """Begin `engine WORDS`; `before` is a program that runs it."""
        extra = options.pop("variables", {})
        start = preloaded.start if self.preload else subprocess.Popen[str]
        process = start(
            self.become([*before, ENGINE, *words]),
            **{
                "cwd": self.directory,
                "env": self.all_variables(extra),
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **options,
            },
        )
        self.started.append(process)
        return process

    def run(self, *words: str | Path, **options: Any) -> Ran:
        """`engine WORDS` to its end."""
        return ended(self.start(*words, **options))

    def ok(self, *words: str | Path, **options: Any) -> Ran:
        """`engine WORDS`, which must succeed."""
        ran = self.run(*words, **options)
        assert ran.code == 0, ran
        return ran

    def submit(self, *words: str | Path, code: int = 0, **options: Any) -> Execution:
        """`engine submit WORDS` in the foreground, which must end with this exit code."""
        ran = self.run("submit", *words, "--json", **options)
        assert ran.code == code, ran
        return Execution(ran, ran.value["id"], url_path(ran.value["results"]))

    def write(self, name: str, content: Any) -> str:
        """A file in the directory: text as it is, anything else as JSON."""
        (self.directory / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return name

    def lines(self, name: str, values: Sequence[Any]) -> str:
        """A file with one JSON value a line."""
        return self.write(name, "".join(json.dumps(value) + "\n" for value in values))

    def tool(
        self,
        command: str,
        inputs: Mapping[str, Described] = {"text": "String"},
        outputs: Mapping[str, Described] = {},
        **more: Any,
    ) -> str:
        """A descriptor: input `text` is optional and replaces [TEXT], output `o` has a path template.

        Keys of `more` have `_` for the `-` of Boutiques.
        """
        ins = []
        for id_, kind in inputs.items():
            wanted = {"type": kind} if isinstance(kind, str) else kind
            key = f"[{id_.upper()}]"
            if key not in command and key not in json.dumps([outputs, more]):
                command += f" # {key}"  # every value key must be somewhere
            ins.append({"id": id_, "name": id_, "value-key": key, "optional": True, **wanted})
        outs = [
            {"id": id_, "name": id_, **({"path-template": of} if isinstance(of, str) else of)}
            for id_, of in outputs.items()
        ]
        image = more.pop("image", None)
        descriptor = {
            "name": "tool",
            "description": "A tool for a test",
            "tool-version": "1.0",
            "schema-version": "0.5",
            "command-line": command,
            "inputs": ins,
            **({"output-files": outs} if outs else {}),
            **({"container-image": {"type": "docker", "image": image}} if image else {}),
            **{key.replace("_", "-"): value for key, value in more.items()},
        }
        return self.write("tool.json", descriptor)

    def ours(self, below: str) -> Path:
        """The engine's directory there: of its former name, where an older engine was at work."""
        former = self.home / below / "grid-engine"
        return former if former.is_dir() else self.home / below / "boutiques-engine"

    @property
    def spool(self) -> Path:
        """Where the local back-end keeps its jobs."""
        return self.ours(".local/state") / "local"

    @property
    def database(self) -> Path:
        """The default database."""
        return self.ours(".local/share") / "engine.db"

    def rows(self, table: str) -> int:
        """Rows of a table; none when there is no database yet."""
        if not self.database.exists():
            return 0
        with sqlite3.connect(self.database) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        connection.close()
        return int(count)

    def debris(self) -> list[str]:
        """What a refused submit must not leave: results, rows, jobs in the spool."""
        left = [str(path) for path in self.directory.glob("results/*")]
        left += [f"{table} rows" for table in ("execution", "job", "attempt") if self.rows(table)]
        return left + [str(path) for path in self.spool.glob("jobs/*")]


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait for the end of a command."""
    out, err = process.communicate()
    return Ran(process.returncode, out, err)


def url_path(url: str) -> Path:
    """The path in a file URL."""
    from engine.domain.file_urls import to_path

    return to_path(url)


@contextmanager
def desk_in(directory: Path, **more: Any) -> Iterator[Desk]:
    """A new desk. At the end everything of it is ended: wrappers and background engines outlive commands."""
    desk = Desk(directory / "work", directory / "home", **more)
    desk.directory.mkdir()
    desk.home.mkdir()
    try:
        yield desk
    finally:
        for process in [*processes_of(desk.home), *processes_at(desk.home)]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for command in desk.started:
            close(command)


def close(command: subprocess.Popen[str]) -> None:
    """End a command that a failed test left running, and close its pipes."""
    with suppress(ProcessLookupError):
        command.kill()
    for pipe in (command.stdin, command.stdout, command.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    command.wait()


def until(what: Callable[[], Any]) -> Any:
    """Wait for something to become true; the suite's own time limit ends a wait that never ends."""
    while not (found := what()):
        time.sleep(0.02)
    return found
