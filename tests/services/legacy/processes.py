"""Processes of one installation: started together, waited for by asking, ended by their ids."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 600
"""Seconds for a service to answer: it imports all of DIRAC, perhaps beside other tests."""
_CHANCE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass
class Process:
    """A program that runs until the end of a block."""

    name: str
    command: Sequence[str | os.PathLike[str]]
    log: Path
    answers: Callable[[Process], bool]
    """Whether it does its work."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: Path | None = None
    """Where it runs; the log's, if none."""
    process: subprocess.Popen[bytes] | None = None
    begins: int = 0
    """Where in the log it begins: what it said before it was started again comes first."""

    def start(self) -> None:
        """Start it, in a group of its own. It ends with this process."""
        with open(self.log, "ab") as log:
            self.begins = log.tell()
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory or self.log.parent,
                env=self.environment,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: it ended, or does not answer.
        """
        deadline = time.monotonic() + _PATIENCE
        while not self.answers(self):
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {self.said()[-1500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and what it started, at once: nothing of it is to be kept."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def said(self) -> str:
        """Its log, from its start."""
        return self.log.read_bytes()[self.begins :].decode(errors="replace")


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Start them all, wait for them all, end them after the block."""
    with ExitStack() as stack:
        for process in processes:
            stack.callback(process.stop)
            process.start()
        for process in processes:
            process.wait()
        yield


def free_ports(number: int) -> list[int]:
    """Loopback ports that nobody listens on now, all different.

    Connections of others get none of these by chance while our services still start: they lie below the
    range from which Linux takes those.
    """
    first = int(_CHANCE.read_text().split()[0]) if _CHANCE.exists() else 32768
    with ExitStack() as stack:
        found: list[int] = []
        candidates = random.sample(range(first // 2, first), min(100 * number, first // 2))
        for port in candidates:
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == number:
                return found
    raise RuntimeError(f"of {len(candidates)} ports, {len(found)} are free, and {number} are needed")


def listens(*ports: int) -> bool:
    """Whether somebody listens on all of these loopback ports."""
    for port in ports:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
    return True
