"""The serving wrapper: has the submissions of a spool carried out, and outlives the engine.

One thread, level-triggered: it acts on what lies in the spool, never on what it remembers of it, so a new
server takes over where a killed one stopped. Nothing is imported after a fork (the archive may have been
replaced by then), and there are no threads that a fork could cut off.
"""

import fcntl
import gc
import os
import signal
import time
from typing import List, Optional, Tuple

from wrappers import prctl, wire
from wrappers.containers import timed
from wrappers.node import batch
from wrappers.node.host import HostIdentity
from wrappers.runtimes import choose
from wrappers.serve import submission
from wrappers.serve.log import Log
from wrappers.serve.queue import Queue
from wrappers.serve.spool import Spool, this_process
from wrappers.serve.wakeup import WakeUp
from wrappers.serve.workers import POLL_INTERVAL_S, WorkerEnd, Workers

LOCK_TIMEOUT_S = 3.0  # seconds: a server that is ending holds the lock for a moment
RETRY_AFTER_S = 2.0  # seconds to wait when nothing can be written or forked
BURIALS = 100  # cancelled submissions ended between two looks at the rest


class SpoolServer:
    """The work of one server, from taking over to being idle."""

    def __init__(self, spool: Spool, who: HostIdentity, lock: int) -> None:
        self._spool = spool
        self._who = who
        self._lock = lock
        self._log = Log(spool.log)
        self._node = wire.Node()
        self._queue = Queue(spool)
        self._next: Tuple[str, Optional[List[batch.ManifestLine]]] = ("", None)
        self._wakeup = WakeUp(spool.wake)
        self._workers = Workers(spool, who, self._close_in_child)
        self._ends: List[WorkerEnd] = []  # not yet acted upon
        self._not_before = 0.0  # nothing is started earlier: the disk was full, or no process could be made
        self.was_ended = False  # by SIGTERM, not for want of work

    def serve(self) -> None:
        """Take work until there has been none for a while, or SIGTERM; what runs then goes on alone."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only so that the bell rings
        signal.signal(signal.SIGTERM, self._end)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        prctl.adopt_orphans()
        choose.load_all()
        choose.open_namespaces()
        self._read_node()
        self._take_over()
        self._spool.announce(self._who.wrapper_sha256)
        self._log.note(f"server {os.getpid()} takes work")
        gc.collect()
        getattr(gc, "freeze", gc.collect)()  # since Python 3.7: children share our pages for longer
        idle_since = time.monotonic()
        while not self.was_ended:
            self._one_round()
            now = time.monotonic()
            if self._queue or self._workers or self._queue.cancelled or self._ends:
                idle_since = now
            elif now - idle_since >= self._node.idle:
                break
            if self._wakeup.wait(self._timeout(now, idle_since), self._workers.lines()):
                self._read_node()
                self._queue.wake()
                self._workers.stop_cancelled()
        self._log.note(f"server {os.getpid()} ends")

    def close(self) -> None:
        """Stop listening."""
        self._workers.dismiss_free()
        self._wakeup.close()

    def _close_in_child(self) -> None:
        self._wakeup.close()
        os.close(self._lock)  # or it would be held after our end

    def _end(self, number: int, frame: object) -> None:
        self.was_ended = True

    def _one_round(self) -> None:
        self._ends.extend(self._workers.ends())
        self._workers.kill_unresponsive()
        self._queue.look()
        if time.monotonic() >= self._not_before:
            try:
                while self._ends:
                    self._ended(self._ends[-1])
                    self._ends.pop()
                self._end_cancelled()
                self._start_what_fits()
            except OSError as error:
                self._log.note(f"trying again in {RETRY_AFTER_S:g} s: {error}")
                self._not_before = time.monotonic() + RETRY_AFTER_S

    def _timeout(self, now: float, idle_since: float) -> float:
        times = [self._queue.timeout(now)]
        if self._not_before > now:
            times.append(self._not_before - now)
        elif self._queue.cancelled:
            times.append(0.0)
        if self._workers.need_glances():
            times.append(POLL_INTERVAL_S)
        if not self._workers:
            times.append(max(0.0, idle_since + self._node.idle - now))
        return min(times)

    def _read_node(self) -> None:
        try:
            with open(self._spool.node, "rb") as text:
                node = wire.loads(wire.Node, text.read())
        except (OSError, wire.WireError) as error:
            self._log.note(f"node.json is not read: {error}")
            return
        if node != self._node:  # the same object says that children know it
            self._node = node
            timed.Limit.seconds = node.patience

    # --- those that run

    def _take_over(self) -> None:
        """Find what servers before us left: the living count, the dead are not run again."""
        finished = set(os.listdir(self._spool.finished))
        begun = [
            key
            for key in self._spool.submissions()
            if key not in finished and self._spool.has(key, "started")
        ]
        self._queue.skip(finished)
        self._queue.skip(begun)
        for key in begun:
            self._adopt(key)

    def _adopt(self, key: str) -> None:
        process = self._spool.claimed_by(key)
        if process is None or not process.alive():
            self._ends.append(WorkerEnd(key, None))
            return
        lines = submission.manifests_of(self._spool, key, self._log.note) or []
        self._workers.adopt(key, submission.slots_of(lines, self._node.slots), process)
        self._workers.stop_cancelled()  # it may have been asked to end before we knew of it

    def _ended(self, end: WorkerEnd) -> None:
        """Handle the end of a process that had not done its work."""
        key = end.key
        if end.code == submission.NOT_TAKEN:
            self._adopt(key)
        elif not self._spool.has(key, "manifests.jsonl"):
            pass  # the engine has taken it away
        elif not self._spool.has(key, "started"):
            self._queue.put_back(key)
            self._log.note(f"{key}: could not be started; trying again")
            self._not_before = time.monotonic() + RETRY_AFTER_S
        elif self._spool.has(key, "finished"):
            self._spool.finish(key)  # only its announcement was cut off
        else:
            self._finish_cancelled(key)

    def _finish_cancelled(self, key: str) -> None:
        lines = submission.manifests_of(self._spool, key, self._log.note)
        if lines is None:
            return
        cancelled = self._spool.has(key, "cancel")
        self._log.note(f"{key}: its process is gone ({'cancelled' if cancelled else 'lost'})")
        task = submission.finish_cancelled if cancelled else submission.clean_up
        self._workers.tidy(lambda: task(self._spool, key, lines or [], self._node, self._who), key)

    # --- those that wait

    def _end_cancelled(self) -> None:
        for _ in range(min(BURIALS, len(self._queue.cancelled))):
            self._refuse(self._queue.cancelled[-1])
            self._queue.cancelled.pop()

    def _refuse(self, key: str) -> None:
        """End a submission that was cancelled while it waited."""
        lines = submission.manifests_of(self._spool, key, self._log.note)
        if lines is None:
            return
        if self._spool.claim(key, this_process()) or self._spool.claimed_by(key) == this_process():
            submission.finish_cancelled(self._spool, key, lines, self._node, self._who)
        else:
            self._adopt(key)

    def _start_what_fits(self) -> None:
        while self._queue:
            key = self._queue.first()
            if self._next[0] != key:
                self._next = (key, submission.manifests_of(self._spool, key, self._log.note))
            lines = self._next[1]
            slots = submission.slots_of(lines or [], self._node.slots)
            if lines is not None and slots > self._node.slots - self._workers.slots():
                return
            if lines is not None and not self._spool.has(key, "cancel"):
                self._workers.start(key, slots, self._node)
            elif lines is not None:
                self._queue.cancelled.append(key)
            self._queue.pop()


def serve(spool: Spool, who: HostIdentity) -> bool:
    """Be the server of a spool until there is no work; gives False when another one is.

    Raises:
        OSError: the spool cannot be made or written.
    """
    spool.make()
    lock = os.open(spool.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    timeout = LOCK_TIMEOUT_S
    while _lock(lock, timeout):
        server = SpoolServer(spool, who, lock)
        server.serve()
        # Whoever came before this found our ear open and may have left work; whoever comes later finds
        # nobody, and starts a server that waits for the lock. Hence we look once more without it.
        server.close()
        spool.conceal()
        fcntl.flock(lock, fcntl.LOCK_UN)
        if server.was_ended or not spool.has_work():
            return True
        timeout = 0.0
    return False


def _lock(lock: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
