"""Servers as programs of an ordinary user: stopped and started again, port and files stay."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.unprivileged import NOBODY


@dataclass
class Program:
    """A server program."""

    command: Sequence[str]
    log: Path
    answers: Callable[[], bool]
    """Whether it takes requests."""
    environment: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    """Whether it needs to stay root, if we are; it is then expected to lower itself."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. It ends with this process."""
        become = ["setpriv", "--pdeathsig=TERM"]
        if os.geteuid() == 0 and not self.root:
            become += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*become, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                env={"PATH": os.environ["PATH"], "HOME": str(self.log.parent), **self.environment},
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{self.command[0]} did not start: {self.said()[-1000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")


@contextmanager
def started(program: Program) -> Iterator[Program]:
    """Run it until the end of the block."""
    try:
        program.start()
        yield program
    finally:
        program.stop()


@contextmanager
def own_directory(prefix: str) -> Iterator[Path]:
    """A directory that belongs to the user as whom servers run; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix=f"engine-{prefix}-"))
    try:
        give(directory)
        yield directory
    finally:
        shutil.rmtree(directory)


def give(*paths: Path) -> None:
    """Make the user as whom servers run the owner."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)


def connects(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False
