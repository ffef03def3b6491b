"""Make a golden copy: what the engine of one commit leaves when it is stopped in the middle of its work.

    git worktree add ../old COMMIT && make -C ../old setup
    .venv/bin/python -m tests.upgrade.make_golden ../old

The old engine runs as its users run it: finished, failed, running, queued and cancelled jobs, and a request
that nobody has looked at yet; once with SQLite and once with PostgreSQL. The copies are written to
`tests/upgrade/golden/<day>-<commit>-<database>.tar.xz`, every setting with its default beside them;
`tests/upgrade/golden_copy.py` says what is in one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from tests.conftest import processes_at, processes_of
from tests.services.diracx import Diracx, start_diracx, start_site
from tests.services.images import push_busybox
from tests.services.postgres import start_postgres
from tests.services.registry import start_registry
from tests.upgrade.golden_copy import CHECKOUT, GOLDEN, pack
from tests.upgrade.grid import GRID_WORDS, Services, image_words, record

TOOL = {
    "name": "gated",
    "description": "Notes that it was started, waits for its gate, and gives what it was given",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": (
        "echo [WORD] >> [PLACE]/starts; "
        "until test -e [PLACE]/open-[WORD] || test -e [PLACE]/open; do sleep 0.05; done; "
        "cat [FILE] > [WORD].txt; test [WORD] != bad"
    ),
    "inputs": [
        {"id": "word", "name": "word", "type": "String", "value-key": "[WORD]"},
        {"id": "place", "name": "place", "type": "String", "value-key": "[PLACE]"},
        {"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"},
    ],
    "output-files": [{"id": "made", "name": "made", "path-template": "[WORD].txt"}],
    "error-codes": [{"code": 1, "description": "the word is bad"}],
}
GRID_TOOL = {
    **TOOL,
    "name": "plain",
    "description": "Gives what it was given",
    "command-line": "cat [FILE] > [WORD].txt # [PLACE]",
}
"""Of grids: its image is added where a registry runs."""
SETTINGS = """\
owner: keeper
backend: local
limits:
  cores: 1
  wall: 3600
local:
  slots: 2
  idle: 10.0
node:
  runtimes: [userns, udocker]
  site: here
data:
  parallel: 4
dirac:
  shared_files: true
  parametric: false
  poll: 0.2
  settled_after: 1
  priority: 2
  node: {heartbeat: 0}
diracx:
  shared_files: true
  poll: 0.2
  settled_after: 1
  priority: 2
  node: {heartbeat: 0}
portal:
  running: 5
"""
EVERY_SETTING = """
import json
from engine.settings.tree import Settings
print(json.dumps(Settings().model_dump(mode="json"), indent=1))
"""
LEASE = sa.text("UPDATE lease SET holder = :holder, until = :until")
AWAY = 200.0
"""Seconds for which an engine of another machine seems to hold the lease: background engines do not act while
requests are written down."""


@dataclass(frozen=True)
class Old:
    """The engine of a commit, and a user at a desk."""

    program: Path
    root: Path
    database: str
    grid: Mapping[str, str]
    """Variables that say where the grids are."""
    image: Mapping[str, str]
    """The image of the tool of grids."""

    @property
    def desk(self) -> Path:
        """Where commands are typed."""
        return self.root / "work"

    @property
    def home(self) -> Path:
        """The home of the user."""
        return self.root / "home"

    @property
    def spool(self) -> Path:
        """Where the local back-end keeps its jobs."""
        return self.home / ".local/state/grid-engine/local"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin `engine WORDS`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ENGINE_", "XDG_"))}
        return subprocess.Popen(
            [self.program, "--config", "engine.yaml", *words],
            cwd=self.desk,
            env={**kept, "HOME": str(self.home), "ENGINE_DATABASE": self.database, **self.grid},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0) -> str:
        """`engine WORDS` to its end; gives what it printed."""
        with self.start(*words) as process:
            out, err = process.communicate()
        if process.returncode != code:
            raise RuntimeError(f"engine {' '.join(words)}: exit code {process.returncode}\n{err}")
        return out

    def submit(
        self, name: str, *words: str, backend: str = "local", code: int = 0, detach: bool = True
    ) -> str:
        """Submit a job for each word; gives the execution's id."""
        local = backend == "local"
        tool = ["tool.json", "--runtime", "none"] if local else ["grid.json", "--backend", backend]
        jobs = [{"word": word, "place": str(self.desk), "file": "in.txt"} for word in words]
        (self.desk / f"{name}.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
        options = ["--key", name, "--json", *(["--detach"] if detach else [])]
        out = self.run("submit", *tool, f"{name}.jsonl", *options, code=code)
        return str(json.loads(out)["id"])

    def state(self, id_: str) -> str:
        """How an execution stands."""
        return str(json.loads(self.run("status", id_, "--json"))["state"])

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """The database, as it is."""
        engine = sa.create_engine(self.database)
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    @contextmanager
    def ends_engines(self) -> Iterator[None]:
        """At the end of the block no engine runs, whatever happened in it."""
        try:
            yield
        finally:
            self.kill_engines()

    def kill_engines(self) -> None:
        """End every engine as a power cut would; wrappers and jobs go on."""
        while engines := [process for process in processes_at(self.home) if _is_engine(process)]:
            for process in engines:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def kill_all(self) -> None:
        """End whatever still runs."""
        while left := {*processes_of(self.home), *processes_at(self.home)} - {os.getpid()}:
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def begun(self) -> int:
        """Submissions that the wrapper has begun, ended ones too."""
        return len(list(self.spool.glob("jobs/*/started")))


def fill(old: Old, services: Services, server: Diracx) -> dict[str, str]:
    """Have the old engine work, and stop it in the middle; gives what its executions are called."""
    old.desk.mkdir()
    old.home.mkdir()
    (old.desk / "tool.json").write_text(json.dumps(TOOL))
    (old.desk / "grid.json").write_text(json.dumps({**GRID_TOOL, "container-image": old.image}))
    (old.desk / "engine.yaml").write_text(SETTINGS)
    (old.desk / "in.txt").write_text("given\n")
    for word in ("one", "two", "bad"):
        (old.desk / f"open-{word}").touch()
    held = {"finished": old.submit("finished", "one", "two", "bad", code=1, detach=False)}

    with old.start("serve"), old.ends_engines():
        held |= _on_grids(old, services, server)
        held["running"] = old.submit("running", "first", "second", "third", "fourth")
        _until(lambda: old.begun() == 2)
        held["unwanted"] = old.submit("unwanted", "never")
        _until(lambda: len(list(old.spool.glob("jobs/*"))) == 5)
        _until(lambda: not _count(old, "outbox"))
    with old.connected() as connection:
        lease = connection.execute(sa.text("SELECT holder, until FROM lease")).mappings().one()
        connection.execute(LEASE, {"holder": "another:1:1:machine:x", "until": time.time() + AWAY})
    old.run("cancel", "--no-wait", held["unwanted"])
    held["waiting"] = old.submit("waiting", "fifth", "sixth")
    old.kill_engines()
    with old.connected() as connection:
        connection.execute(LEASE, dict(lease))
    # One has ended and nobody has collected it, two run, and the fourth waits in the spool.
    (old.desk / "open-first").touch()
    _until(lambda: len(list(old.spool.glob("finished/*"))) == 1 and old.begun() == 3)
    _until(lambda: "third" in (old.desk / "starts").read_text())
    return held


def _on_grids(old: Old, services: Services, server: Diracx) -> dict[str, str]:
    """Have one job of each grid ended and collected, and leave the others as they are."""
    held = {
        "dirac finished": old.submit("dirac finished", "ended", backend="dirac"),
        "diracx finished": old.submit("diracx finished", "over", backend="diracx"),
    }
    with TemporaryDirectory() as scratch, start_site(server, Path(scratch)):
        _until(lambda: services.jobs("Received"))
        services.carry_out(1)
        _until(lambda: all(old.state(id_) == "succeeded" for id_ in held.values()))
    for backend, words in GRID_WORDS.items():
        held[f"{backend} queued"] = old.submit(f"{backend} queued", *words, backend=backend)
    _until(lambda: len(services.jobs("Received")) == 3)
    services.note(services.jobs("Received")[0], "Running")
    _until(lambda: _count(old, "attempt WHERE state = 'running'") == 1)
    return held


def _count(old: Old, what: str) -> int:
    with old.connected() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {what}")).scalar() or 0)


def _is_engine(process: int) -> bool:
    with suppress(OSError):
        return b"--config" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    return False


def dump_sqlite(url: str) -> str:
    """The whole database as SQL."""
    with sqlite3.connect(sa.make_url(url).database or "") as connection:
        text = "\n".join(connection.iterdump())
    connection.close()
    return text


def dump_postgres(url: str) -> str:
    """The whole database as SQL, without psql's own commands."""
    parts = sa.make_url(url)
    # the server's own version of it: Debian's wrapper on PATH looks for another cluster
    program = max(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    words = [str(program), "--inserts", "--no-owner", "--no-privileges", "--username", parts.username or ""]
    dumped = subprocess.run(
        [*words, "--host", str(parts.query["host"]), parts.database or ""],
        check=True,
        capture_output=True,
        text=True,
    )
    return "".join(f"{line}\n" for line in dumped.stdout.splitlines() if not line.startswith("\\"))


def make(checkout: Path, url: str, dump: Callable[[str], str], target: Path) -> None:
    """Make one golden copy. `url` may name the directory as {root}."""
    program = checkout / ".venv/bin/engine"
    root = Path(tempfile.mkdtemp(prefix="golden-"))
    services = Services(root / "dirac")
    with (
        TemporaryDirectory() as directory,
        start_diracx(Path(directory, "diracx")) as server,
        start_registry(Path(directory, "registry")) as registry,
    ):
        image = {"type": "docker", "image": push_busybox(registry)}
        grids = {
            **services.settings(),
            "ENGINE_DIRACX__URL": server.url,
            "ENGINE_DIRACX__TOKEN": str(server.credential()),
        }
        old = Old(program, root, url.format(root=root), grids, image)
        try:
            held = fill(old, services, server)
            record(server, root / "diracx")
            (root / "database.sql").write_text(dump(old.database))
            (root / "held.json").write_text(json.dumps(held, indent=1))
            for path in root.glob("home/.local/share/grid-engine/engine.db*"):
                path.unlink()
            pack(root, target, {**image_words(registry), CHECKOUT: str(checkout)})
        finally:
            old.kill_all()
            shutil.rmtree(root)


def main() -> None:
    """Make both copies of a checkout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="a checkout of the commit, with its own .venv")
    checkout = parser.parse_args().checkout.absolute()
    shown = ["git", "-C", str(checkout), "show", "--no-patch", "--format=%cs-%h", "--abbrev=7"]
    name = subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip()
    every = [checkout / ".venv/bin/python", "-c", EVERY_SETTING]
    variables = {"PATH": os.defpath, "HOME": "/home/keeper", "USER": "keeper"}
    told = subprocess.run(every, cwd="/", env=variables, check=True, capture_output=True, text=True)
    (GOLDEN / f"{name}-settings.yaml").write_text(told.stdout)
    file = "sqlite:///{root}/home/.local/share/grid-engine/engine.db"
    make(checkout, file, dump_sqlite, GOLDEN / f"{name}-sqlite.tar.xz")
    with start_postgres() as server, server.database() as url:
        make(checkout, url, dump_postgres, GOLDEN / f"{name}-postgres.tar.xz")


def _until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 300
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError("the old engine does not come to where it should be stopped")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
