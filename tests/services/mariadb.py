"""A real MariaDB server: Debian's, in a directory of its own, on loopback."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from tests.services.debian import require
from tests.services.registry import free_port

PASSWORD = "of the portal"


@dataclass
class MariaDb:
    """A server that can be stopped and started again with what it holds."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Run it until it answers."""
        command = [
            "setpriv",
            "--pdeathsig=KILL",
            require("mariadbd"),
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--socket={self.directory / 'socket'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M",
            "--skip-name-resolve",
            f"--user={getpass.getuser()}",
        ]
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
                client.connect(str(self.directory / "socket"))
                return
            time.sleep(0.02)
        raise RuntimeError(f"MariaDB did not start: {(self.directory / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """End it; its files stay."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:  # told to end while it began
                self.process.kill()
                self.process.wait()
            (self.directory / "socket").unlink(missing_ok=True)
            self.process = None

    def administrator(self, database: str | None = None) -> pymysql.Connection[Any]:
        """A connection that may do everything."""
        return pymysql.connect(
            unix_socket=str(self.directory / "socket"),
            user="root",
            database=database,
            autocommit=True,
            ssl_disabled=True,
        )

    def url(self, database: str) -> str:
        """As SQLAlchemy wants it, with the account of the portal."""
        return f"mysql+pymysql://vip:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"


def make_data(directory: Path, *options: str) -> None:
    """Make the directory of a server's data."""
    require("my_print_defaults")  # it asks for it
    install = [require("mariadb-install-db"), "--no-defaults", f"--datadir={directory}", "--skip-test-db"]
    command = [*install, f"--user={getpass.getuser()}", *options]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db: {(made.stderr or made.stdout).strip()[-500:]}")


@contextmanager
def start_mariadb() -> Iterator[MariaDb]:
    """Run a server until the end of the block; it also ends when this process dies."""
    directory = Path(tempfile.mkdtemp(prefix="engine-maria-"))
    server = MariaDb(directory, free_port())
    try:
        make_data(directory / "data", "--auth-root-authentication-method=normal")
        server.start()
        with server.administrator() as root, root.cursor() as cursor:
            cursor.execute(f"CREATE USER vip@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute("GRANT ALL ON *.* TO vip@'127.0.0.1'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)
