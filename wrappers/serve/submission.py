"""What processes forked by the server do: carry out submissions, or tidy up after one."""

import os
import signal
import socket
import sys
import time
import traceback
from typing import Callable, List, NoReturn, Optional

from wrappers import wire
from wrappers.node import batch, files, procfs, reports
from wrappers.node.claims import take
from wrappers.node.groups import forget_group
from wrappers.node.host import HostIdentity
from wrappers.node.stop import Stop
from wrappers.runtimes import choose, networks
from wrappers.serve.spool import Spool, this_process

DONE = 0
NOT_TAKEN = 3  # another process had started it
NOT_STARTED = 4  # it could not be claimed (a full disk): it may be tried again
BROKEN = 5  # it was started, and its end could not be written
LONGEST_KEY = 4096
STOP_TIMEOUT_S = 5.0  # seconds for killed processes to be gone


def work(spool: Spool, key: str, node: wire.Node, who: HostIdentity, server: socket.socket) -> int:
    """Carry out a submission, then whatever the server gives us next; gives the exit code.

    A process for each would be simpler, but costs 4 ms more (measured): nearly all pages of a forked Python
    are copied when they are first touched; and what was found out about the node is found out again. When the
    server ends, or has no use for us, so do we.
    """
    stop = Stop()
    stop.install()
    os.setsid()
    choose.open_namespaces()  # if the server could not
    while True:
        code = _carry_out(spool, key, node, who, stop)
        if code != DONE or stop.requested:
            return code
        try:
            server.send(b".")
            networks.prepare()
            key = server.recv(LONGEST_KEY).decode("utf-8", "surrogateescape")
        except OSError:
            return DONE
        if not key:
            return DONE


def _carry_out(spool: Spool, key: str, node: wire.Node, who: HostIdentity, stop: Stop) -> int:
    """Claim the submission, carry out all its manifests, say that it is finished."""
    try:
        if not spool.claim(key, this_process()):
            return NOT_TAKEN
    except OSError:
        return NOT_STARTED
    lines = manifests_of(spool, key, lambda line: None)  # the server has noted what is wrong with them
    batch.run(lines or [], node, spool.directory(key), who, stop)
    spool.finish(key)
    return DONE


def finish_cancelled(
    spool: Spool, key: str, lines: List[batch.ManifestLine], node: wire.Node, who: HostIdentity
) -> int:
    """End a cancelled submission for nobody else will: reports where there are none, no leftovers."""
    into = spool.directory(key)
    take(into, [line.attempt for line in lines])
    for line in lines:
        if not spool.has(key, line.attempt + ".report.json"):
            batch.refuse(line, "cancelled", node, into, who)
    clean_up(spool, key, lines, node, who)
    spool.finish(key)
    return DONE


def clean_up(
    spool: Spool, key: str, lines: List[batch.ManifestLine], node: wire.Node, who: HostIdentity
) -> int:
    """Tidy up after a submission whose process was killed: end what its tools still run, if nobody was left
    to do that, and remove the job directories, unless results are kept there.
    """
    for line in lines:
        _end_all(os.path.join(node.scratch or spool.directory(key), line.attempt))
        forget_group(line.attempt)
        report = reports.path(line.attempt, spool.directory(key))
        if not _kept(report):
            files.remove(os.path.join(node.scratch or spool.directory(key), line.attempt))
    return DONE


def _end_all(directory: str) -> None:
    """Kill the tools of a job directory; those that are born meanwhile too."""
    home = os.path.realpath(directory)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        left = procfs.at_home(home)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # gone already, or another user's by a set-uid program
        time.sleep(0.01)


def _kept(path: str) -> bool:
    try:
        with open(path, "rb") as text:
            return bool(wire.loads(wire.Report, text.read()).kept)
    except (OSError, wire.WireError):
        return False


def manifests_of(spool: Spool, key: str, note: Callable[[str], None]) -> Optional[List[batch.ManifestLine]]:
    """Read the manifests of a submission; None when it is gone, none at all when they cannot be read."""
    try:
        return batch.read(os.path.join(spool.directory(key), "manifests.jsonl"))
    except FileNotFoundError:
        return None
    except (OSError, wire.WireError) as error:
        note(f"{key}: {error}")
        return []


def slots_of(lines: List[batch.ManifestLine], slots: int) -> int:
    """Return how many slots a submission takes: the cores of its widest attempt, at most all of them."""
    cores = [line.limits.cores for line in lines if isinstance(line, wire.Manifest)]
    return max(1, min(max(cores, default=1), slots))


def exit_with(task: Callable[[], int], name: str) -> NoReturn:
    """Do the task of a forked process and end it; what the task did not foresee goes to the log."""
    code = BROKEN
    try:
        code = task()
    except BaseException:
        sys.stderr.write(f"{name}: {traceback.format_exc()}")
        sys.stderr.flush()
    finally:
        os._exit(code)
