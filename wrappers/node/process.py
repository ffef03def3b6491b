"""Starting the tool and watching it: exact exit status, limits, and nobody left behind.

While a tool runs, SIGCHLD and the wish to stop are blocked and taken with `sigtimedwait`: no handler can
come between two lines, and the end of a tool is noticed at once, without polling. The calling process
must have no other children.
"""

import os
import resource  # noqa: F401  # os.wait4 needs it; imported here, once, and not after every fork
import shutil
import signal
import time
from typing import Any, Dict, List, NamedTuple, NoReturn, Optional, Tuple

from wrappers import wire
from wrappers.node import procfs
from wrappers.node.names import native
from wrappers.node.stop import SIGNALS, Stop
from wrappers.runtimes.base import Launch

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
FIRST_LOOK, SLOWEST_LOOK = 0.25, 1.0  # seconds between two looks at the memory
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_WATCHED = SIGNALS | {signal.SIGCHLD}
# Python ignores SIGPIPE and SIGXFSZ, and servers SIGHUP; tools would inherit that.
_RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)

try:
    import ctypes

    _LIBC: Any = ctypes.CDLL(None)
except (ImportError, OSError):  # a static Python: without prctl, a tool's daemons may escape
    _LIBC = None


class Ended(NamedTuple):
    """How the tool ended."""

    exit_code: Optional[int]  # as a shell says it: 128 + the signal that ended it; None: never started
    signal: Optional[int]
    cpu_seconds: float  # of the tool and all its descendants that were waited for
    peak_memory: int  # bytes; never below the wrapper's own size, which the tool has before it is executed
    stopped: str = ""  # wire.LIMIT or wire.CANCELLED when we ended it
    why: str = ""  # for a person: why it was stopped or never started


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends: nobody escapes (Linux 3.4)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(launch: Launch, out: str, err: str, limits: wire.Limits, stop: Stop) -> Ended:
    """Run the tool to its end, its output in the files `out` and `err`.

    Raises:
        OSError: no process could be made, or a log could not be opened.
    """
    adopt_orphans()
    os.umask(0o022)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        pid, trouble = _start(launch, out, err)
        try:
            return _Watch(pid, launch, limits, stop).to_the_end(trouble)
        finally:
            os.close(trouble)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(launch: Launch, out: str, err: str) -> Tuple[int, int]:
    """Start the tool; gives its process id and a pipe that tells why it never began."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptors = [os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)]
    trouble, tell = os.pipe()
    os.set_blocking(trouble, False)
    environment = {native(key): native(value) for key, value in launch.environment.items()}
    try:
        descriptors.append(os.open(out, flags, 0o644))
        descriptors.append(os.open(err, flags, 0o644))
        # Measured: 0.9 ms to spawn, 3 ms to fork Python and prepare there.
        start = _spawn if launch.enter is None and hasattr(os, "posix_spawn") else _fork
        return start(launch, environment, descriptors, tell), trouble
    except OSError:
        os.close(trouble)
        raise
    finally:
        for descriptor in descriptors + [tell]:
            os.close(descriptor)


def _spawn(launch: Launch, environment: Dict[str, str], descriptors: List[int], tell: int) -> int:
    program = launch.argv[0]
    if "/" not in program:
        program = shutil.which(program, path=environment.get("PATH", os.defpath)) or program
    here = os.getcwd()
    os.chdir(str(launch.cwd))
    try:
        pid: int = os.posix_spawn(
            program,
            launch.argv,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, one, target) for target, one in enumerate(descriptors)],
            setsid=True,
            setsigmask=(),
            setsigdef=_RESET,
        )
    except (NotImplementedError, OSError):
        # Before Linux with glibc 2.26 there is no `setsid`; and what cannot be executed is told by `_fork`.
        return _fork(launch, environment, descriptors, tell)
    finally:
        os.chdir(here)
    _offer_to_oom_killer(pid)
    return pid


def _fork(launch: Launch, environment: Dict[str, str], descriptors: List[int], tell: int) -> int:
    us = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(launch, environment, descriptors, tell, us)
    return pid


def _become(
    launch: Launch, environment: Dict[str, str], descriptors: List[int], tell: int, parent: int
) -> NoReturn:
    """In the child: turn into the tool, or tell why not."""
    try:
        os.setsid()
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(125)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _offer_to_oom_killer(os.getpid())
        if launch.enter is not None:
            launch.enter()
        os.chdir(str(launch.cwd))
        os.execvpe(launch.argv[0], launch.argv, environment)  # noqa: S606  # an argument list, no shell
    except BaseException as error:
        os.write(tell, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:4000])
    finally:
        os._exit(125)


def _offer_to_oom_killer(pid: int) -> None:
    """When memory runs out the kernel shall take the tool, not the wrapper that must report it."""
    try:
        score = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # no such file, or the tool has ended: the kernel chooses by size, which mostly is the tool
    try:
        os.write(score, b"500")
    except OSError:
        pass  # not allowed
    finally:
        os.close(score)


class _Watch:
    """One running tool."""

    def __init__(self, pid: int, launch: Launch, limits: wire.Limits, stop: Stop) -> None:
        self._pid = pid
        self._launch = launch
        self._limits = limits
        self._stop = stop
        self._status: Optional[int] = None
        self._cpu = 0.0
        self._peak = 0
        self._alone = False  # no child is left

    def to_the_end(self, trouble: int) -> Ended:
        stopped, why = self._watch()
        if stopped and self._launch.kill is not None:
            self._launch.kill()
        self._end_all()
        status = self._status if self._status is not None else 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = 128 + number if number is not None else os.WEXITSTATUS(status)
        try:
            message = os.read(trouble, 4000).decode("utf-8", "replace")
        except BlockingIOError:
            message = ""
        if message:
            return Ended(None, None, self._cpu, self._peak, stopped, why or message)
        return Ended(code, number, self._cpu, self._peak, stopped, why)

    def _watch(self) -> Tuple[str, str]:
        """Wait for the end of the tool or for a reason to end it; gives the reason's class and words."""
        wall = self._limits.wall
        deadline = time.monotonic() + wall if wall is not None else float("inf")
        pause = FIRST_LOOK
        look = time.monotonic() + pause
        while True:
            if self._stop.requested:
                return wire.CANCELLED, "cancelled while the tool was running"
            now = time.monotonic()
            if now >= deadline:
                return wire.LIMIT, f"the tool was ended after its wall time of {wall:g} s"
            if now >= look:
                excess = self._look_at_memory()
                if excess:
                    return wire.LIMIT, excess
                pause = min(pause * 1.25, SLOWEST_LOOK)
                look = time.monotonic() + pause
            heard = signal.sigtimedwait(_WATCHED, max(0.0, min(look, deadline) - time.monotonic()))
            if heard is not None and heard.si_signo != signal.SIGCHLD:
                self._stop.requested = True
            self._reap()
            if self._status is not None:
                return "", ""

    def _reap(self) -> None:
        """Take every child that has ended: the tool, and orphans that came to us."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                return
            if pid == 0:
                return
            self._cpu += usage.ru_utime + usage.ru_stime
            self._peak = max(self._peak, usage.ru_maxrss * 1024)
            if pid == self._pid:
                self._status = status

    def _look_at_memory(self) -> str:
        """Note the resident memory of all processes; words when it is more than allowed."""
        pids = procfs.descendants(os.getpid())
        used = procfs.resident(pids)
        self._peak = max(self._peak, used)
        limit = self._limits.memory
        if limit is None or used <= limit:
            return ""
        # Forked workers share pages, which counts them several times: look closer before killing.
        used = procfs.proportional(pids)
        if used <= limit:
            return ""
        return f"the tool used {_mebibytes(used)} of memory; {_mebibytes(limit)} are allowed"

    def _end_all(self) -> None:
        """End whatever still runs: the group, and descendants that left it."""
        self._reap()
        for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 2 * GRACE)):
            give_up = time.monotonic() + patience
            self._signal_all(number)
            while not self._all_gone():
                if time.monotonic() >= give_up:
                    break
                signal.sigtimedwait((signal.SIGCHLD,), 0.05)
                self._reap()
                if number == signal.SIGKILL:
                    self._signal_all(number)  # those born meanwhile

    def _all_gone(self) -> bool:
        if not self._alone or _LIBC is not None:
            return self._alone
        try:  # without a subreaper, members of the group are not our children
            os.killpg(self._pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        return False

    def _signal_all(self, number: int) -> None:
        if self._all_gone():
            return
        for pid in procfs.descendants(os.getpid()):
            _kill(os.kill, pid, number)
        _kill(os.killpg, self._pid, number)
        if number == signal.SIGTERM:
            _kill(os.killpg, self._pid, signal.SIGCONT)  # a stopped process cannot hear


def _kill(how: Any, pid: int, number: int) -> None:
    try:
        how(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone already, or of another user by a setuid program


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
