"""A desk with `engine serve` running, reached at a public URL on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.app.access import tokens
from engine.app.access.key import load_key
from engine.app.access.tokens import VERBS, TokenScope
from engine.clock import SystemClock
from tests.cli.desk import Desk, until
from tests.services.registry import free_port
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import NOBODY, HttpClient
from wrappers.transfer.errors import TransferError


@dataclass(frozen=True)
class Served:
    """A desk with a service."""

    desk: Desk
    url: str
    process: subprocess.Popen[str]
    variables: dict[str, str]

    @property
    def storage(self) -> Path:
        return self.desk.home / ".local/share/boutiques-engine/storage"

    @property
    def key_file(self) -> Path:
        return self.desk.home / ".local/share/boutiques-engine/key"

    def token(self) -> str:
        until(self.key_file.exists)
        now = SystemClock().now()
        return tokens.mint(load_key(self.key_file), TokenScope((), frozenset(VERBS), now + 600))

    def peak(self) -> int:
        """Bytes of memory that it has used at most."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) << 10


@contextmanager
def a_client() -> Iterator[HttpClient]:
    client = HttpClient(Budget(30.0))
    try:
        yield client
    finally:
        client.close()


def answers(url: str) -> bool:
    with a_client() as client:
        try:
            with client.request("GET", f"{url}/health", {}, None, NOBODY) as answer:
                return b"boutiques-engine" in answer.read()
        except TransferError:
            return False


@contextmanager
def serving(desk: Desk, *words: str, port: int | None = None) -> Iterator[Served]:
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {"ENGINE_API__LISTEN": f"127.0.0.1:{port}", "ENGINE_API__PUBLIC_URL": url}
    process = desk.start("serve", *words, variables=variables)
    try:
        until(lambda: answers(url) or process.poll() is not None)
        yield Served(desk, url, process, variables)
    finally:
        process.kill()
        process.communicate()
