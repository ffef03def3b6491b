"""A real Girder 5 over a MongoDB in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.environment import server_program
from tests.services.programs import Program, connects, give, own_directory, started
from tests.services.registry import free_port

_PROGRAM = Path(__file__).with_name("girder_server.py")


@dataclass(frozen=True)
class Girder:
    """A running server with a private collection `tests`."""

    api: str
    """Its REST interface, `http://.../api/v1`."""
    host: str
    """host:port, as in girder:// URLs."""
    key: str
    """An API key of the administrator, user `admin`."""
    program: Program


@contextmanager
def start_girder() -> Iterator[Girder]:
    """Run Girder until the end of the block. A restart forgets everything."""
    python = server_program("python")
    with own_directory("girder") as directory:
        port = free_port()
        (directory / "files").mkdir()
        give(directory / "files")
        command = [python, "-I", str(_PROGRAM), str(port), str(directory / "files")]
        program = Program(command, directory / "log", answers=lambda: connects(port))
        with started(program):
            host = f"127.0.0.1:{port}"
            yield Girder(f"http://{host}/api/v1", host, program.said().split("KEY ")[1].split()[0], program)
