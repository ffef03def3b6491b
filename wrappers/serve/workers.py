"""The processes that carry out submissions: children of this server, and of servers before it."""

import os
import signal
import socket
import time
from typing import Callable, Dict, List, NamedTuple, Optional

from wrappers import wire
from wrappers.node import procfs
from wrappers.node.host import HostIdentity
from wrappers.node.stop import SIGNALS
from wrappers.serve import submission
from wrappers.serve.spool import Process, Spool

KILL_AFTER_S = 15.0  # seconds between SIGTERM and SIGKILL of a cancelled submission
POLL_INTERVAL_S = 1.0  # seconds between two looks at what is not told to us


class WorkerEnd(NamedTuple):
    """A process that had something to carry out is gone."""

    key: str
    code: Optional[int]  # its exit code; None when it was killed, or was not our child


class Worker:
    """A process and what it carries out. Without a key it is free, or about to end."""

    def __init__(self, key: str, slots: int) -> None:
        self.key: Optional[str] = key
        self.slots = slots
        self.stranger: Optional[Process] = None
        self.node = wire.Node()  # as a child of ours knows it
        self.line: Optional[socket.socket] = None  # to a child that can take more than one submission
        self.kill_at: Optional[float] = None  # set once it was asked to end

    def free(self) -> None:
        """Note that it has done its work."""
        self.key = None
        self.slots = 0

    def dismiss(self) -> None:
        """Nothing more for this child."""
        if self.line is not None:
            self.line.close()
            self.line = None

    def signal(self, pid: int, number: int) -> None:
        """Send a signal, unless the process id means somebody else by now."""
        if self.stranger is None or self.stranger.alive():
            _kill(pid, number)


class Workers:
    """The processes at work for this spool, by process id."""

    def __init__(self, spool: Spool, who: HostIdentity, close: Callable[[], None]) -> None:
        self._spool = spool
        self._who = who
        self._close = close  # what a child must not keep open
        self._all: Dict[int, Worker] = {}

    def __len__(self) -> int:
        """Return those that have something to do, or are about to end."""
        return sum(one.key is not None or one.line is None for one in self._all.values())

    def slots(self) -> int:
        """Slots that are taken."""
        return sum(one.slots for one in self._all.values())

    def lines(self) -> List[int]:
        """File descriptors on which children will say that they are done."""
        return [one.line.fileno() for one in self._all.values() if one.line is not None]

    def need_glances(self) -> bool:
        """Say whether something may happen without a signal to us."""
        return any(one.stranger is not None or one.kill_at is not None for one in self._all.values())

    def adopt(self, key: str, slots: int, process: Process) -> None:
        """Count a process that a server before us started."""
        worker = Worker(key, slots)
        worker.stranger = process
        self._all[process.pid] = worker

    def start(self, key: str, slots: int, node: wire.Node) -> None:
        """Have a submission carried out, by a free child or a new one.

        Raises:
            OSError: no process could be made.
        """
        for one in self._all.values():
            if one.key is not None or one.line is None:
                continue
            if one.node is node and _send(one.line, key):
                one.key = key
                one.slots = slots
                return
            one.dismiss()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = self._fork(lambda: self._work(key, node, ours, theirs), key)
            except OSError:
                ours.close()
                raise
        worker = self._all[pid] = Worker(key, slots)
        worker.line = ours
        worker.node = node

    def _work(self, key: str, node: wire.Node, ours: socket.socket, theirs: socket.socket) -> int:
        ours.close()  # or the child would not notice the end of the server
        return submission.work(self._spool, key, node, self._who, theirs)

    def tidy(self, task: Callable[[], int], key: str) -> None:
        """Do something about a submission in a process of its own, which takes no slot.

        Raises:
            OSError: no process could be made.
        """
        worker = Worker(key, 0)
        worker.free()
        self._all[self._fork(task, key)] = worker

    def _fork(self, task: Callable[[], int], name: str) -> int:
        # The child must not hear a signal before it can tell what it means.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._close()
                for one in self._all.values():
                    one.dismiss()  # nor would they
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                submission.exit_with(task, name)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return pid

    def listen(self) -> None:
        """Note which children have done their work."""
        for one in self._all.values():
            if one.line is not None and one.key is not None and _is_done(one.line):
                one.free()
                if one.kill_at is not None:
                    one.dismiss()  # the wish to end may reach it late, and would end what came next

    def dismiss_free(self) -> None:
        """Let those go who have no work: there will be none for a while."""
        for one in self._all.values():
            if one.key is None:
                one.dismiss()

    def ends(self) -> List[WorkerEnd]:
        """Take note of every process that is gone; gives those that had not said they were done."""
        self.listen()
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            one = self._all.pop(pid, None)
            if one is None:
                continue  # an orphan that came to us
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
            one.dismiss()
            if code is None or code == submission.BROKEN:
                self._kill_orphans()
            if one.key is not None and code != submission.DONE:
                ended.append(WorkerEnd(one.key, code))
        for pid, one in list(self._all.items()):
            if one.stranger is not None and not one.stranger.alive():
                del self._all[pid]
                ended.append(WorkerEnd(one.key or "", None))
        return ended

    def stop_cancelled(self) -> None:
        """Ask those to end that the engine wants to end."""
        for pid, one in self._all.items():
            if one.key is not None and one.kill_at is None and self._spool.has(one.key, "cancel"):
                one.kill_at = time.monotonic() + KILL_AFTER_S
                one.signal(pid, signal.SIGTERM)

    def kill_unresponsive(self) -> None:
        """End those that were asked long ago, with all their descendants."""
        now = time.monotonic()
        for pid, one in self._all.items():
            if one.kill_at is not None and now >= one.kill_at:
                one.kill_at = now + POLL_INTERVAL_S
                below = procfs.descendants(pid)
                one.signal(pid, signal.SIGKILL)
                for child in below:
                    _kill(child)

    def _kill_orphans(self) -> None:
        """End what a killed child left to us, its adopter."""
        for child in procfs.children(os.getpid()):
            if child not in self._all:
                for pid in [child, *procfs.descendants(child)]:
                    _kill(pid)


def _send(line: socket.socket, key: str) -> bool:
    try:
        line.send(key.encode("utf-8", "surrogateescape"))
    except OSError:
        return False
    return True


def _is_done(line: socket.socket) -> bool:
    """Say whether a child said that it is done. Its end says nothing: that is for `waitpid` to tell."""
    try:
        return bool(line.recv(1, socket.MSG_DONTWAIT))
    except OSError:
        return False


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended by itself
