"""The spool: the directory through which an engine and a serving wrapper talk, without a socket.

    SPOOL/                 0700, on a local disk
      lock                 held (flock) by the one server of this spool
      server.json          {"pid", "start", "boot", "wrapper_sha256"}: there while a server takes work
      server.log           the server's own words; the one before is server.log.1
      node.json            a `wire.Node`, replaced by the engine; read again on every wake
      wake                 a FIFO; any byte means: look again
      jobs/<key>/          one submission; whole once its name does not start with a dot
        manifests.jsonl    written by the engine: one `wire.Manifest` a line
        cancel             made by the engine (then wake): the submission shall end
        started            {"pid", "start", "boot"} of the process that carries it out: made exactly once
        <attempt>.report.json, <attempt>.out, <attempt>.err
        finished           everything above is final (another name of `started`)
      finished/<key>     jobs/<key>/finished is there: one listing shows all that ended

The engine removes jobs/<key> and then finished/<key> when it has collected them. `start` is field 22 of
/proc/<pid>/stat: with the boot id it names a process for ever. A submission that is started, not finished
and whose process is gone is lost: nobody will carry it out again.

To wake: open `wake` for writing without blocking. ENXIO, or no such file, means that no server listens: start
one. A server that is about to end looks once more after it has let go of the lock.
"""

import json
import os
from typing import Dict, List, NamedTuple, Optional

from wrappers.node import procfs
from wrappers.node.files import replace_text


class Process(NamedTuple):
    """A process of this machine, told from all others."""

    pid: int
    start: int
    boot: str

    def alive(self) -> bool:
        """Say whether it still runs; a zombie does not."""
        return procfs.start_time(self.pid) == self.start and procfs.boot_id() == self.boot


def this_process() -> Process:
    """Ourselves."""
    return Process(os.getpid(), procfs.start_time(os.getpid()) or 0, procfs.boot_id())


class Spool:
    """The paths of a spool and the few steps that must be atomic."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.jobs = os.path.join(self.root, "jobs")
        self.finished = os.path.join(self.root, "finished")
        self.wake = os.path.join(self.root, "wake")
        self.lock = os.path.join(self.root, "lock")
        self.server = os.path.join(self.root, "server.json")
        self.node = os.path.join(self.root, "node.json")
        self.log = os.path.join(self.root, "server.log")

    def make(self) -> None:
        """Make what is missing."""
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        for directory in (self.jobs, self.finished):
            os.makedirs(directory, mode=0o700, exist_ok=True)
        try:
            os.mkfifo(self.wake, 0o600)
        except FileExistsError:
            pass

    def submissions(self) -> List[str]:
        """Submissions that are there, unsorted: running, waiting and finished ones."""
        return [name for name in os.listdir(self.jobs) if not name.startswith(".")]

    def directory(self, key: str) -> str:
        """Return where a submission lies."""
        return os.path.join(self.jobs, key)

    def has(self, key: str, name: str) -> bool:
        """Say whether a submission holds this file."""
        return os.path.exists(os.path.join(self.jobs, key, name))

    def announce(self, wrapper_sha256: str) -> None:
        """Say that a server takes work."""
        us: Dict[str, object] = dict(this_process()._asdict(), wrapper_sha256=wrapper_sha256)
        replace_text(self.server, json.dumps(us))

    def conceal(self) -> None:
        """Say that no server takes work any more."""
        try:
            os.unlink(self.server)
        except FileNotFoundError:
            pass

    def has_work(self) -> bool:
        """Say whether a submission waits that nobody has started."""
        waiting = set(self.submissions()) - set(os.listdir(self.finished))
        return any(not self.has(key, "started") for key in waiting)

    def claim(self, key: str, us: Process) -> bool:
        """Take a submission for ourselves; exactly one process ever can.

        A link, since that is atomic and exclusive and its content is whole from the first moment.
        """
        started = os.path.join(self.jobs, key, "started")
        draft = f"{started}.{us.pid}"
        replace_text(draft, json.dumps(us._asdict()))
        try:
            os.link(draft, started)
        except FileExistsError:
            return False
        finally:
            os.unlink(draft)
        return True

    def claimed_by(self, key: str) -> Optional[Process]:
        """Return who carries out a submission; None when nobody started it or the note is unreadable."""
        try:
            with open(os.path.join(self.jobs, key, "started"), encoding="ascii") as text:
                return Process(**json.loads(text.read()))
        except (OSError, ValueError, TypeError):
            return None

    def finish(self, key: str) -> None:
        """Say that everything about a submission is final, then announce it."""
        started = os.path.join(self.jobs, key, "started")
        for mark in (os.path.join(self.jobs, key, "finished"), os.path.join(self.finished, key)):
            try:
                os.link(started, mark)  # whole at once, and possible where no new file can be made
            except FileExistsError:
                pass  # said before
