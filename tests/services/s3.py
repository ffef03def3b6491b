"""Two S3 services: rclone's checks signatures and Content-MD5, moto's knows more of the interface."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.environment import server_program
from tests.services.programs import Program, give, own_directory, started
from tests.services.registry import free_port

BUCKET = "tests"
ACCESS_KEY_ID = "TESTACCESSKEY"
SECRET_ACCESS_KEY = "TESTSECRETKEY0123"


@dataclass(frozen=True)
class S3:
    """A running service with one bucket."""

    endpoint: str
    program: Program
    bucket: str = BUCKET
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY


@contextmanager
def start_rclone_s3() -> Iterator[S3]:
    """Run rclone's until the end of the block. Its buckets are directories."""
    rclone = server_program("rclone")
    with own_directory("rclone") as directory:
        port = free_port()
        for path in (directory / "files", directory / "files" / BUCKET):
            path.mkdir()
            give(path)
        keys = f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"
        options = ["--addr", f"127.0.0.1:{port}", "--auth-key", keys, "--vfs-cache-mode", "off"]
        with _service(
            [rclone, "serve", "s3", *options, str(directory / "files")], directory, port
        ) as running:
            yield running


@contextmanager
def start_moto() -> Iterator[S3]:
    """Run moto's until the end of the block."""
    moto = server_program("moto_server")
    with own_directory("moto") as directory:
        port = free_port()
        with _service([moto, "-H", "127.0.0.1", "-p", str(port)], directory, port) as running:
            _request(port, "PUT", f"/{BUCKET}")
            yield running


@contextmanager
def _service(command: Sequence[str], directory: Path, port: int) -> Iterator[S3]:
    program = Program(
        command,
        directory / "log",
        answers=lambda: bool(_request(port, "GET", "/")),
        environment={"TMPDIR": str(directory)},
    )
    with started(program):
        yield S3(f"http://127.0.0.1:{port}", program)


def _request(port: int, method: str, path: str) -> int:
    """The status of the answer; 0 when there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
