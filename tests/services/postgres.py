"""A real PostgreSQL server: Debian's, in a directory of its own, reached through a socket in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.services.debian import require

_SETTINGS = {
    "listen_addresses": "",  # the socket is enough: no port to clash with another server
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
}


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    directory: Path
    process: subprocess.Popen[bytes]

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database, as a SQLAlchemy URL; dropped at the end, whoever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        with self.administrator() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        try:
            yield f"postgresql+psycopg://engine@/{name}?host={self.directory}"
        finally:
            with self.administrator() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def administrator(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection that may do everything."""
        return psycopg.connect(host=str(self.directory), user="engine", dbname="postgres", autocommit=True)


@contextmanager
def start_postgres() -> Iterator[Postgres]:
    """Run a server until the end of the block; it also ends when this process dies."""
    initdb = Path(require("initdb"))
    # not pytest's own directory: a socket's path has at most 107 bytes, and other users must get in
    directory = Path(tempfile.mkdtemp(prefix="engine-pg-"))
    try:
        become = _unprivileged(directory)
        data = directory / "data"
        options = ["--username=engine", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        _run([*become, str(initdb), f"--pgdata={data}", *options])
        settings = {**_SETTINGS, "unix_socket_directories": str(directory)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        command = [
            "setpriv",
            "--pdeathsig=INT",
            *become[1:],
            str(initdb.parent / "postgres"),
            "-D",
            str(data),
        ]
        with open(directory / "postgres.log", "wb") as log:
            process = subprocess.Popen(
                [*command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory
            )
        server = Postgres(directory, process)
        try:
            _wait_until_it_answers(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown
            process.wait()
    finally:
        shutil.rmtree(directory)


def _unprivileged(directory: Path) -> list[str]:
    """Start of a command that gives up root, which PostgreSQL refuses; `directory` goes to that user."""
    if os.geteuid() != 0:
        return ["setpriv"]
    user = pwd.getpwnam("postgres")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _run(command: Sequence[str]) -> None:
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
    if result.returncode:
        raise RuntimeError(f"{command[-1]}: {result.stderr.strip()[-500:]}")


def _wait_until_it_answers(server: Postgres) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            server.administrator().close()
            return
        except psycopg.OperationalError:
            time.sleep(0.02)
    log = (server.directory / "postgres.log").read_text()
    raise RuntimeError(f"PostgreSQL did not start: {log[-500:]}")
