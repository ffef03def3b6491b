"""XRootD as Debian has it: one process that speaks root:// and http:// (WebDAV), and computes checksums."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import netns
from tests.services.debian import require
from tests.services.programs import Program, give, own_directory, started
from tests.services.registry import free_port
from tests.services.unprivileged import NOBODY

_CONFIGURATION = """\
all.role server
all.export /
oss.localroot {directory}/files
all.adminpath {directory}/admin
all.pidpath {directory}/run
xrd.port {port}
xrd.network nodnr norpipa
xrd.protocol XrdHttp:{port} libXrdHttp.so
xrootd.chksum max 4 adler32 md5 crc32c
xrootd.async off
ofs.persist auto hold 10 sync 1
"""


@dataclass(frozen=True)
class XRootD:
    """A running server."""

    root: str
    """The root:// URL of its files, without a slash at the end; paths begin with two."""
    http: str
    """The http:// URL of the same files."""
    files: Path
    """Where its files are on this machine."""
    program: Program
    pid_file: Path

    def crash(self) -> None:
        """Have it die, as by a defect of its own; it is started again (see netns.py)."""
        pid = int(self.pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():  # the suite's own time limit ends a wait that never ends
            time.sleep(0.01)


@contextmanager
def start_xrootd() -> Iterator[XRootD]:
    """Run an anonymous server until the end of the block."""
    xrootd = require("xrootd")
    require("/usr/lib/*/libXrdHttp-5.so")
    with own_directory("xrootd") as directory:
        for name in ("files", "admin", "run"):
            (directory / name).mkdir()
            give(directory / name)
        port = free_port()
        configuration = directory / "xrootd.cfg"
        configuration.write_text(_CONFIGURATION.format(directory=directory, port=port))
        command = [xrootd, "-c", str(configuration), "-n", "se", "-l", str(directory / "log"), "-I", "v4"]
        program = Program(
            isolated([ordinary(command)], [port]), directory / "outer.log", lambda: answers(port), root=True
        )
        with started(program):
            urls = f"root://127.0.0.1:{port}/", f"http://127.0.0.1:{port}"
            yield XRootD(*urls, directory / "files", program, directory / "run/se/xrootd.pid")


def ordinary(command: Sequence[str]) -> list[str]:
    """Give up root, which XRootD refuses."""
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig=KILL", *command]
    become = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", "--pdeathsig=KILL", *become, *command]


def isolated(commands: Sequence[Sequence[str]], ports: Sequence[int], *over: str) -> list[str]:
    """The commands in a network namespace of their own, reached at these loopback ports.

    `over` has FILE:PLACE, for files that are seen in the place of others.
    """
    words = [word for command in commands for word in ("--", *command)]
    return [sys.executable, netns.__file__, ",".join(str(port) for port in ports), *over, *words]


def answers(port: int) -> bool:
    """Whether its http door answers: the relay's own socket listens from the beginning."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
