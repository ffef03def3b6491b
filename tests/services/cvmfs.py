"""A CVMFS repository for tests, made with a stand-in for `cvmfs_server`: see cvmfs_server_stand_in.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.services import cvmfs_server_stand_in
from tests.services.cvmfs_repository_stand_in import Repository
from tests.services.unprivileged import Unprivileged

_TESTS = Path(__file__).resolve().parents[2]
NAME = "images.example.org"


@dataclass(frozen=True)
class Cvmfs:
    """A machine with one repository, all of it below `top`."""

    top: Path
    program: Path
    repository: Repository
    http: ThreadingHTTPServer = field(repr=False)
    become: Sequence[str] = ()
    """Put before a command, to run it as the owner."""

    @property
    def mount(self) -> Path:
        return self.repository.mount

    @property
    def settings(self) -> Mapping[str, Any]:
        """The section `cvmfs` of the settings."""
        return {
            "program": str(self.program),
            "mount": str(self.top / "cvmfs"),
            "spool": str(self.top / "var/spool/cvmfs"),
            "configuration": str(self.top / "etc/cvmfs/repositories.d"),
        }

    def fault(self, command: str, at: str, **what: Any) -> None:
        """Let the next such command fail there."""
        (self.top / "fault").write_text(json.dumps({"command": command, "at": at, **what}))

    def switch(self, **what: Any) -> None:
        """Let the repository differ from a quiet one on local storage: see `Switches` of the stand-in."""
        file = self.top / "switches"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**known, **what}))
        if what.get("gateway"):
            configuration = self.top / "etc/cvmfs/repositories.d" / NAME / "server.conf"
            text = configuration.read_text().replace("=local,", "=gw,")
            configuration.write_text(text)

    def lease(self, path: str) -> None:
        """Let another publisher hold the lease of a path at the gateway."""
        self.repository.lease.write_text(json.dumps({"path": path, "by": "another"}))

    def server(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What another administrator types."""
        return subprocess.run(
            [*self.become, self.program, *words],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        """Every command so far."""
        log = self.top / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def is_open(self) -> bool:
        return self.repository.flag.exists()


@contextmanager
def start_cvmfs(top: Path, owner: Unprivileged | None = None) -> Iterator[Cvmfs]:
    """Make the repository, empty, at revision 1; unmounted at the end. `owner` publishes, if not we."""
    repository = Repository(top, NAME)
    if owner is not None:
        repository.overlay = False
    repository.tree(1).mkdir(parents=True)
    handler = partial(_Quiet, directory=str(top / "srv"))
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    configuration = top / "etc/cvmfs/repositories.d" / NAME
    configuration.mkdir(parents=True)
    address = f"http://127.0.0.1:{http.server_address[1]}/cvmfs/{NAME}"
    (configuration / "server.conf").write_text(
        f"CVMFS_REPOSITORY_NAME={NAME}\nCVMFS_STRATUM0={address}\n"
        f"CVMFS_UPSTREAM_STORAGE=local,{top}/srv/cvmfs/{NAME}/data/txn,{top}/srv/cvmfs/{NAME}\n"
    )
    program = top / "bin/cvmfs_server"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> "{top}/calls"\n'
        f'export PYTHONPATH="{_TESTS}"\n'
        f'exec "{os.path.realpath(sys.executable)}" -m {cvmfs_server_stand_in.__name__} "{top}" "$@"\n'
    )
    program.chmod(0o755)
    repository.commit(1)
    repository.mount_all(repository.tree(1), writable=False)
    if owner is not None:
        owner.give(top)
    try:
        yield Cvmfs(top, program, repository, http, owner.command([]) if owner else [])
    finally:
        for process in processes_of(top):  # a test may have killed the caller of a command
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        repository.unmount_all()
        http.shutdown()
        thread.join()
        http.server_close()


def processes_of(top: Path) -> list[int]:
    """The commands of the stand-in that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(top) in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
