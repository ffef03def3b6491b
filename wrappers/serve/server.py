"""The serving wrapper: starts submissions of a spool, one forked process each, and outlives the engine.

One thread, level-triggered: it acts on what lies in the spool, never on what it remembers of it, so a new
server takes over where a killed one stopped. Nothing is imported after a fork (the archive may have been
replaced by then), and there are no threads that a fork could cut off.
"""

import fcntl
import gc
import os
import select
import signal
import time
from typing import Dict, List, Optional, Tuple

from wrappers import wire
from wrappers.node import batch, procfs
from wrappers.node.host import Identity
from wrappers.node.process import adopt_orphans
from wrappers.node.stop import SIGNALS
from wrappers.serve import submission
from wrappers.serve.log import Log
from wrappers.serve.queue import Queue
from wrappers.serve.spool import Process, Spool, this_process

LOCK_PATIENCE = 3.0  # seconds: a server that is ending holds the lock for a moment
KILL_AFTER = 15.0  # seconds between SIGTERM and SIGKILL of a cancelled submission
RETRY_AFTER = 2.0  # seconds to wait when nothing can be written or forked
GLANCE = 1.0  # seconds between two looks at processes that are not our children
BURIALS = 100  # cancelled submissions ended between two looks at the rest


class Running:
    """A submission that somebody carries out: a child of ours, or one of a server before us."""

    def __init__(self, key: str, slots: int, stranger: Optional[Process] = None) -> None:
        self.key = key
        self.slots = slots
        self.stranger = stranger
        self.kill_at: Optional[float] = None  # set once it was asked to end


class Server:
    """One server's work, from taking over to being idle."""

    def __init__(self, spool: Spool, who: Identity, lock: int) -> None:
        self._spool = spool
        self._lock = lock
        self._who = who
        self._log = Log(spool.log)
        self._node = wire.Node()
        self._queue = Queue(spool)
        self._next: Tuple[str, Optional[List[batch.Order]]] = ("", None)
        self._running: Dict[int, Running] = {}
        self._not_before = 0.0  # nothing is started earlier: the disk was full, or no process could be made
        self.was_ended = False  # by SIGTERM, not for want of work
        # Open for both: with no writer left, a FIFO open for reading alone is always "ready".
        self._wake = os.open(spool.wake, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._ear, self._mouth = os.pipe()
        for end in (self._ear, self._mouth):
            os.set_blocking(end, False)

    def serve(self) -> None:
        """Take work until there has been none for a while, or SIGTERM; what runs then goes on alone."""
        self._hear()
        adopt_orphans()
        self._read_node()
        self._take_over()
        self._spool.announce(self._who.wrapper_sha256)
        self._log.note(f"server {os.getpid()} takes work")
        gc.collect()
        getattr(gc, "freeze", gc.collect)()  # since Python 3.7: children share our pages for longer
        idle_since = time.monotonic()
        while not self.was_ended:
            self._reap()
            self._queue.look()
            self._end_cancelled()
            self._start_what_fits()
            now = time.monotonic()
            if self._queue or self._running or self._queue.cancelled:
                idle_since = now
            elif now - idle_since >= self._node.idle:
                break
            self._wait(self._patience(now, idle_since))
        self._log.note(f"server {os.getpid()} ends")

    def close(self) -> None:
        """Stop listening: whoever wants to wake us from now on learns that nobody is there."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._wake, self._ear, self._mouth):
            os.close(descriptor)

    def _hear(self) -> None:
        signal.set_wakeup_fd(self._mouth)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only so that `select` wakes
        signal.signal(signal.SIGTERM, self._end)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _end(self, number: int, frame: object) -> None:
        self.was_ended = True

    def _read_node(self) -> None:
        try:
            with open(self._spool.node, "rb") as text:
                self._node = wire.loads(wire.Node, text.read())
        except (OSError, wire.WireError) as error:
            self._log.note(f"node.json is not read: {error}")

    # --- waiting

    def _patience(self, now: float, idle_since: float) -> float:
        times = [self._queue.patience(now)]
        if self._queue.cancelled or self._queue:
            if self._not_before > now:
                times.append(self._not_before - now)
            elif self._queue.cancelled:
                times.append(0.0)
        if any(one.stranger or one.kill_at for one in self._running.values()):
            times.append(GLANCE)
        if not self._running:
            times.append(max(0.0, idle_since + self._node.idle - now))
        return min(times)

    def _wait(self, patience: float) -> None:
        ready = select.select([self._wake, self._ear], [], [], patience)[0]
        if self._ear in ready:
            _drain(self._ear)
        if self._wake in ready:
            _drain(self._wake)
            self._read_node()
            self._queue.ask()
            self._heed_cancels()

    def _heed_cancels(self) -> None:
        for pid, one in self._running.items():
            if one.kill_at is None and self._spool.has(one.key, "cancel"):
                one.kill_at = time.monotonic() + KILL_AFTER
                _signal(pid, one, signal.SIGTERM)

    # --- those that run

    def _take_over(self) -> None:
        """Find what servers before us left: the living count, the dead are not run again."""
        news = set(os.listdir(self._spool.news))
        begun = [
            key for key in self._spool.submissions() if key not in news and self._spool.has(key, "started")
        ]
        self._queue.skip(news)
        self._queue.skip(begun)
        for key in begun:
            self._adopt(key)

    def _adopt(self, key: str) -> None:
        process = self._spool.claimed_by(key)
        if process is None or not process.alive():
            self._gone(key)
            return
        orders = submission.orders_of(self._spool, key, self._log.note) or []
        self._running[process.pid] = Running(key, submission.slots_of(orders, self._node.slots), process)
        self._heed_cancels()  # it may have been asked to end before we knew of it

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            one = self._running.pop(pid, None)
            if one is not None:
                self._ended(one, status)
        now = time.monotonic()
        for pid, one in list(self._running.items()):
            if one.kill_at is not None and now >= one.kill_at:
                one.kill_at = now + GLANCE
                self._kill_all(pid, one)
            if one.stranger is not None and not one.stranger.alive():
                del self._running[pid]
                self._gone(one.key)

    def _ended(self, one: Running, status: int) -> None:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        if code == submission.DONE:
            return
        if code == submission.NOT_OURS:
            self._adopt(one.key)
        elif code == submission.NOT_STARTED:
            self._not_before = time.monotonic() + RETRY_AFTER
            self._queue.put_back(one.key)
            self._log.note(f"{one.key}: could not be started; trying again")
        else:
            self._kill_orphans()
            self._gone(one.key)

    def _gone(self, key: str) -> None:
        """The process of a started submission is gone without a word."""
        if self._spool.has(key, "finished"):
            self._spool.finish(key)  # only its announcement was cut off
            return
        orders = submission.orders_of(self._spool, key, self._log.note)
        if orders is None:
            return
        cancelled = self._spool.has(key, "cancel")
        self._log.note(f"{key}: its process is gone ({'cancelled' if cancelled else 'lost'})")
        self._fork(key, orders, 0, submission.bury if cancelled else submission.sweep)

    def _kill_all(self, pid: int, one: Running) -> None:
        below = procfs.descendants(pid)
        _signal(pid, one, signal.SIGKILL)
        for child in below:
            _kill(child)

    def _kill_orphans(self) -> None:
        """End what a killed child left to us, its adopter."""
        for child in procfs.children(os.getpid()):
            if child not in self._running:
                below = procfs.descendants(child)
                for pid in [child] + below:
                    _kill(pid)

    # --- those that wait

    def _end_cancelled(self) -> None:
        if time.monotonic() < self._not_before:
            return
        for _ in range(min(BURIALS, len(self._queue.cancelled))):
            key = self._queue.cancelled.pop()
            try:
                self._refuse(key)
            except OSError as error:
                self._log.note(f"{key}: {error}")
                self._queue.cancelled.append(key)
                self._not_before = time.monotonic() + RETRY_AFTER
                return

    def _refuse(self, key: str) -> None:
        """End a submission that was cancelled while it waited."""
        orders = submission.orders_of(self._spool, key, self._log.note)
        if orders is None:
            return
        if self._spool.claim(key, this_process()) or self._spool.claimed_by(key) == this_process():
            submission.bury(self._spool, key, orders, self._node, self._who)
        else:
            self._adopt(key)

    def _start_what_fits(self) -> None:
        while self._queue and time.monotonic() >= self._not_before:
            key = self._queue.first()
            if self._next[0] != key:
                self._next = (key, submission.orders_of(self._spool, key, self._log.note))
            orders = self._next[1]
            slots = submission.slots_of(orders or [], self._node.slots)
            if orders is not None and slots > self._node.slots - self._slots_taken():
                return
            self._queue.pop()
            self._next = ("", None)
            if orders is None:
                continue
            if self._spool.has(key, "cancel"):
                self._queue.cancelled.append(key)
            elif not self._fork(key, orders, slots, submission.carry_out):
                self._queue.put_back(key)

    def _slots_taken(self) -> int:
        return sum(one.slots for one in self._running.values())

    def _fork(self, key: str, orders: List[batch.Order], slots: int, work: submission.Work) -> bool:
        # The child must not hear a signal before it can tell what it means.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self.close()
                os.close(self._lock)  # or it would be held after our end
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                submission.leave(work, self._spool, key, orders, self._node, self._who)
        except OSError as error:
            self._log.note(f"{key}: no process could be made: {error}")
            self._not_before = time.monotonic() + RETRY_AFTER
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._running[pid] = Running(key, slots)
        return True


def serve(spool: Spool, who: Identity) -> bool:
    """Be the server of a spool until there is no work; gives False when another one is.

    Raises:
        OSError: the spool cannot be made or written.
    """
    spool.make()
    lock = os.open(spool.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    patience = LOCK_PATIENCE
    while _lock(lock, patience):
        server = Server(spool, who, lock)
        server.serve()
        # Whoever came before this found our ear open and may have left work; whoever comes later finds
        # nobody, and starts a server that waits for the lock. Hence we look once more without it.
        server.close()
        spool.conceal()
        fcntl.flock(lock, fcntl.LOCK_UN)
        if server.was_ended or not spool.has_work():
            return True
        patience = 0.0
    return False


def _lock(lock: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _signal(pid: int, one: Running, number: int) -> None:
    if one.stranger is None or one.stranger.alive():
        _kill(pid, number)


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended by itself


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except BlockingIOError:
        pass
