"""Running the tool: exact exit status, limits, and nobody left behind.

While a tool runs, SIGCHLD and the wish to stop are blocked and taken with `sigtimedwait`: no handler can
come between two lines, and the end of a tool is noticed at once, without polling. The calling process
must have no other children.
"""

import os
import re
import resource  # noqa: F401  # os.wait4 needs it; imported here, once, and not after every fork
import signal
import time
from typing import Any, List, NamedTuple, Optional, Tuple

from wrappers import prctl, wire
from wrappers.node import procfs
from wrappers.node.groups import make_group
from wrappers.node.mount import Mount
from wrappers.node.room import Room
from wrappers.node.spawn import Bounds, start
from wrappers.node.stop import SIGNALS, Stop
from wrappers.runtimes.base import ToolStart

GRACE_S = 5.0  # seconds between SIGTERM and SIGKILL
FIRST_LOOK, SLOWEST_LOOK = 0.25, 1.0  # seconds between two looks at the memory
_WATCHED = SIGNALS | {signal.SIGCHLD}
_OURS = 2  # of our own processes in a tool's namespaces


class ToolExit(NamedTuple):
    """The end of the tool."""

    exit_code: Optional[int]  # as a shell says it: 128 + the signal that ended it; None: never started
    signal: Optional[int]
    cpu_seconds: float  # of the tool and all its descendants that were waited for
    peak_memory: int  # bytes; never below the wrapper's own size, which the tool has before it is executed
    stopped: str = ""  # the cause, in wrappers.causes, when we ended it
    why: str = ""  # for a person: why it was stopped or never started
    cause: str = ""  # in wrappers.causes: why it never started, if that is known


def run(
    launch: ToolStart, out: str, err: str, limits: wire.Limits, stop: Stop, room: Optional[Room] = None
) -> ToolExit:
    """Run the tool to its end, its output in the files `out` and `err`.

    Raises:
        OSError: no process could be made, or a log could not be opened.
    """
    prctl.adopt_orphans()
    os.umask(0o022)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        bounds = _bounds(launch, os.path.splitext(os.path.basename(out))[0], limits, room)
        try:
            pid, trouble = start(launch, out, err, bounds)
            try:
                return _RunningTool(pid, launch, limits, stop, room).to_the_end(trouble)
            finally:
                os.close(trouble)
        finally:
            if bounds.group is not None:
                bounds.group.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _bounds(launch: ToolStart, name: str, limits: wire.Limits, room: Optional[Room]) -> Bounds:
    """Compute the limits that the kernel itself can enforce. Of processes it counts the two that watch in a
    namespace, too.
    """
    most = limits.processes + _OURS if limits.processes is not None else None
    group = make_group(name, most) if most is not None else None
    # outside of a user namespace the limit would count whatever else this account runs
    apart = launch.used.name == "userns" and group is None and _counts_by_namespace()
    return Bounds(group, most if apart else None, limits.files, room.space if room is not None else None)


def _counts_by_namespace() -> bool:
    """Say whether RLIMIT_NPROC is of each user namespace: since Linux 5.14."""
    numbers = re.findall(r"\d+", os.uname().release)[:2]
    return tuple(map(int, numbers)) >= (5, 14)


class _RunningTool:
    """A running tool."""

    def __init__(
        self, pid: int, launch: ToolStart, limits: wire.Limits, stop: Stop, room: Optional[Room]
    ) -> None:
        self._room = room
        self._pid = pid
        self._launch = launch
        self._limits = limits
        self._stop = stop
        self._status: Optional[int] = None
        self._cpu = 0.0
        self._peak = 0
        self._alone = False  # no child is left
        self._exceeds = False  # the last look found too much memory
        self._mount = Mount(launch.mount, lambda: procfs.processor_time(self._below()))

    def to_the_end(self, trouble: int) -> ToolExit:
        try:
            stopped, why = self._watch()
        finally:
            self._mount.close()
        if stopped and self._launch.kill is not None:
            self._launch.kill()
        self._end_all()
        if not stopped and self._launch.excess is not None:
            why = self._launch.excess()
            stopped = wire.LIMIT if why else ""
        status = self._status if self._status is not None else 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = 128 + number if number is not None else os.WEXITSTATUS(status)
        if not stopped and self._room is not None and code == 128 + signal.SIGXFSZ:  # or a shell says so
            stopped, why = wire.LIMIT, f"the tool wrote a file of more than {_mebibytes(self._room.space)}"
        try:
            message = os.read(trouble, 4000).decode("utf-8", "replace")
        except BlockingIOError:
            message = ""
        if message:
            cause, _, message = message.partition("\n")
            return ToolExit(None, None, self._cpu, self._peak, stopped, why or message, cause)
        return ToolExit(code, number, self._cpu, self._peak, stopped, why)

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
                excess = self._excess()
                if excess:
                    return wire.LIMIT, excess
                silence = self._mount.silence()
                if silence:
                    return "mount", silence
                pause = min(pause * 1.25, SLOWEST_LOOK)
                look = time.monotonic() + pause
            received = signal.sigtimedwait(_WATCHED, max(0.0, min(look, deadline) - time.monotonic()))
            if received is not None and received.si_signo != signal.SIGCHLD:
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
                beside = self._launch.beside
                self._alone = bool(beside) and set(procfs.children(os.getpid())) <= set(beside)
                return
            self._cpu += usage.ru_utime + usage.ru_stime
            self._peak = max(self._peak, usage.ru_maxrss * 1024)
            if pid == self._pid:
                self._status = status

    def _excess(self) -> str:
        """Words when the tool has more of something than it may."""
        pids = self._below()
        most = self._limits.processes
        if most is not None and len(pids) > most + _OURS:  # where the kernel does not count them
            for pid in pids:
                _kill(os.kill, pid, signal.SIGKILL)  # no grace: there would be more of them
            return f"the tool had {len(pids)} processes; {most} are allowed"
        return self._look_at_memory(pids) or (self._room.excess() if self._room is not None else "")

    def _look_at_memory(self, pids: List[int]) -> str:
        """Note the resident memory of all processes; words when it is more than allowed."""
        used = procfs.resident(pids)
        self._peak = max(self._peak, used)
        limit = self._limits.memory
        if limit is None or used <= limit:
            self._exceeds = False
            return ""
        # Forked workers share pages, which counts them several times: look closer before killing.
        used = procfs.proportional(self._of_the_tool(pids))
        by_podman, begun = self._launch.used.name == "podman", self._launch.started
        # What starts a tool for podman is for a moment where the tool will be: twice is no moment.
        known, self._exceeds = self._exceeds, used > limit and (begun is None or begun())
        if used <= limit or (by_podman and not (known and self._exceeds)):
            return ""
        return f"the tool used {_mebibytes(used)} of memory; {_mebibytes(limit)} are allowed"

    def _below(self) -> List[int]:
        """Every process of the tool, and those of ours that are about it alone."""
        return procfs.descendants(os.getpid(), without=self._launch.beside)

    def _of_the_tool(self, pids: List[int]) -> List[int]:
        """Leave out our own processes among those below us: what they share is closed to us, too."""
        ours = {self._pid} if self._launch.enter is not None else set()
        if self._launch.used.name == "userns":
            ours.update(procfs.children(self._pid))
        elif self._launch.used.name == "podman":  # it, what watches the tool for it, and our guard
            here = procfs.pid_namespace(os.getpid())
            ours.update(pid for pid in pids if procfs.pid_namespace(pid) == here)
        return [pid for pid in pids if pid not in ours]

    def _end_all(self) -> None:
        """End whatever still runs: the group, and descendants that left it."""
        self._reap()
        for number, timeout in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 2 * GRACE_S)):
            give_up = time.monotonic() + timeout
            self._signal_all(number)
            while not self._all_gone():
                if time.monotonic() >= give_up:
                    break
                signal.sigtimedwait((signal.SIGCHLD,), 0.05)
                self._reap()
                if number == signal.SIGKILL:
                    self._signal_all(number)  # those born meanwhile

    def _all_gone(self) -> bool:
        if not self._alone or prctl.AVAILABLE:
            return self._alone
        try:  # without a subreaper, members of the group are not our children
            os.killpg(self._pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        return False

    def _signal_all(self, number: int) -> None:
        if self._all_gone():
            return
        for pid in self._below():
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
