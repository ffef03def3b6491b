"""The commands `engine` and `cvmfs-deploy` in processes that begin with their modules loaded.

Half of the computing of the whole suite was the loading of the same modules, thousands of times. Here a
server for each test process loads them once, and forks for each command: a process of its own, with its own
user, arguments, directory, environment, standard streams, exit code and signals, whose parent is the test.
What differs from a program that is started: `/proc/PID/cmdline` and `/proc/PID/environ` are those of the
server. A command with anything but that (a program before it, other limits, another locale) is started as
users start it, and so is every one when `ENGINE_TESTS_PRELOAD=off`.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from tests.services.unprivileged import BECOME, NOBODY

ENGINE = str(Path(sys.executable).with_name("engine"))
CVMFS_DEPLOY = str(Path(sys.executable).with_name("cvmfs-deploy"))
_MAIN = {ENGINE: "engine.cli.main", CVMFS_DEPLOY: "cvmfs_deploy.cli.main"}
_ROOT = Path(__file__).parents[2]
_VARIABLES = ("HOME", "ENGINE_", "XDG_", "DOCKER_HOST", "PATH", "PYTEST_", "TMPDIR")
"""What nothing reads while it is loaded; a command with other variables of its own is started."""
_OPTIONS = {"cwd", "env", "stdin", "stdout", "stderr", "text", "encoding", "bufsize", "start_new_session"}
_LATE = (
    "boutiques.validator",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "typer._adapters",
)
"""What the modules load when they need it, and most commands do."""
_CLONE_PARENT = 0x8000
_CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a command as `subprocess.Popen` does: forked from what is loaded, where that is the same."""
    words = list(command)
    unprivileged = words[: len(BECOME)] == BECOME
    if unprivileged:
        words = words[len(BECOME) :]
    if words[0] not in _MAIN or not _may_be_forked(options):
        return subprocess.Popen(command, **options)
    return _Forked(words, group=NOBODY if unprivileged else None, **options)


def _may_be_forked(options: Mapping[str, Any]) -> bool:
    if _CLONE is None or os.environ.get("ENGINE_TESTS_PRELOAD") == "off" or set(options) - _OPTIONS:
        return False
    ours, its = _ours(), options["env"]
    different = {name for name in ours.keys() | its.keys() if ours.get(name) != its.get(name)}
    return all(name.startswith(_VARIABLES) for name in different)


def _ours() -> dict[str, str]:
    """Return our environment without the size of a terminal, which commands are not given either."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class _Forked(subprocess.Popen[str]):
    """A child of ours that the server has forked."""

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:
        """Replace the start of a program. The arguments are those of Python 3.11 to 3.13."""
        cwd, env, pipes, ordinary, session = rest[4], rest[5], rest[9:15], rest[16] is not None, rest[20]
        streams = [pipe if pipe >= 0 else usual for usual, pipe in enumerate(pipes[i] for i in (0, 3, 5))]
        request = {"words": args, "cwd": os.fspath(cwd), "env": env, "session": session, "ordinary": ordinary}
        try:
            sys.audit("subprocess.Popen", args[0], args, cwd, env)  # as what it replaces: tests/whole.py
            self.pid = _server().fork(json.dumps(request, default=os.fspath).encode(), streams)
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # inherited, not in typeshed


class _Server:
    """What forks; a child of this process."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        program = [sys.executable, "-m", __name__, str(its.fileno())]
        self._process = subprocess.Popen(
            program, cwd=_ROOT, env=_ours(), pass_fds=[its.fileno()], stdin=subprocess.DEVNULL
        )
        its.close()
        self._connection = ours
        self._one_at_a_time = threading.Lock()
        atexit.register(self._end)

    def fork(self, request: bytes, streams: list[int]) -> int:
        """Have a command begun with these standard streams. Returns its process id."""
        with self._one_at_a_time:
            socket.send_fds(self._connection, [len(request).to_bytes(8, "big")], streams)
            self._connection.sendall(request)
            return int.from_bytes(_exactly(self._connection, 8), "big")

    def _end(self) -> None:
        self._connection.close()
        self._process.wait()


@cache
def _server() -> _Server:
    return _Server()


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := connection.recv(size - len(found))):
            raise EOFError
        found += more
    return found


def serve(connection: socket.socket) -> None:
    """Fork for each request until the test process ends. Returns in each child, ready to be that command."""
    _load()
    call = ctypes.PyDLL(None).syscall
    while True:
        header, streams, _, _ = socket.recv_fds(connection, 8, 3)
        if not header:
            os._exit(0)
        request = json.loads(_exactly(connection, int.from_bytes(header, "big")))
        ctypes.pythonapi.PyOS_BeforeFork()
        # as fork(2), but the child is the test's, which waits for it and sees how it ends
        if (pid := call(_CLONE, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)) == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
            connection.close()
            return _become(request, streams)
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        for stream in streams:
            os.close(stream)
        connection.sendall(pid.to_bytes(8, "big"))


def _load() -> None:
    """Load every module of the two programs. Freeze them: no child copies them to count references."""
    for name in _LATE:
        import_module(name)
    paths = (path for part in ("engine", "cvmfs_deploy") for path in (_ROOT / part).rglob("*.py"))
    for path in sorted(paths):
        if path.name != "__main__.py" and not {"testing", "migrations"} & set(path.parts):
            name = ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
            with suppress(ImportError):
                import_module(name)
    gc.collect()
    gc.freeze()


def _become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Take over what a started program would have been given."""
    if request["session"]:
        os.setsid()
    for usual, given in enumerate(streams):
        os.dup2(given, usual)
    for given in streams:
        os.close(given)
    os.chdir(request["cwd"])
    if request["ordinary"]:
        _drop_privileges()
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["words"]
    sys.stdin = _stream(0, "r", sys.stdin.errors)
    sys.stdout = _stream(1, "w", sys.stdout.errors)
    sys.stderr = _stream(2, "w", "backslashreplace", buffering=1)


def _stream(descriptor: int, mode: str, errors: str | None, buffering: int = -1) -> Any:
    return open(descriptor, mode, closefd=False, errors=errors, buffering=buffering)


def _drop_privileges() -> None:
    """Do what BECOME does; what a process may see of itself is as after the start of a program."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)


def main() -> NoReturn:
    """Serve; in a child, be the command that was asked for."""
    serve(socket.socket(fileno=int(sys.argv[1])))
    import_module(_MAIN[sys.argv[0]]).main()
    sys.exit()


if __name__ == "__main__":
    main()
