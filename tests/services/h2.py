"""A real H2 server on loopback, as it stands beside VIP's directory of workflows."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.debian import require
from tests.services.registry import free_port


@dataclass
class H2:
    """A server that can be stopped and started again."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Run it until it answers."""
        jar = require("/usr/share/java/h2.jar")
        options = ["-tcp", "-tcpPort", str(self.port), "-ifNotExists", "-baseDir", str(self.directory)]
        java = [require("java"), "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command = ["setpriv", "--pdeathsig=KILL", *java, "-Dh2.bindAddress=127.0.0.1", "-cp", jar]
        self.process = subprocess.Popen(
            [*command, "org.h2.tools.Server", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the H2 server did not start")

    def stop(self) -> None:
        """End it; its files stay."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


@contextmanager
def start_h2(directory: Path) -> Iterator[H2]:
    """Run a server for databases below a directory until the end of the block."""
    server = H2(directory, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
