"""The process of one submission: forked by the server, it outlives the server."""

import os
import sys
import traceback
from typing import Callable, List, NoReturn, Optional

from wrappers import wire
from wrappers.node import batch, files, reports
from wrappers.node.host import Identity
from wrappers.node.stop import Stop
from wrappers.serve.spool import Spool, this_process

DONE = 0
NOT_OURS = 3  # another process had started it
NOT_STARTED = 4  # it could not be claimed (a full disk): it may be tried again
BROKEN = 5  # it was started, and its end could not be written

Work = Callable[[Spool, str, List[batch.Order], wire.Node, Identity], int]


def carry_out(spool: Spool, key: str, orders: List[batch.Order], node: wire.Node, who: Identity) -> int:
    """Claim the submission, carry out all its orders, say that it is finished; gives the exit code."""
    stop = Stop()
    stop.install()
    os.setsid()
    try:
        if not spool.claim(key, this_process()):
            return NOT_OURS
    except OSError:
        return NOT_STARTED
    batch.run(orders, node, spool.directory(key), who, stop)
    spool.finish(key)
    return DONE


def bury(spool: Spool, key: str, orders: List[batch.Order], node: wire.Node, who: Identity) -> int:
    """End a cancelled submission for nobody else will: reports where there are none, no leftovers."""
    into = spool.directory(key)
    for order in orders:
        if not spool.has(key, order.attempt + ".report.json"):
            batch.refuse(order, "cancelled", node, into, who)
    sweep(spool, key, orders, node, who)
    spool.finish(key)
    return DONE


def sweep(spool: Spool, key: str, orders: List[batch.Order], node: wire.Node, who: Identity) -> int:
    """Remove the job directories of a submission whose process was killed, unless results are kept there."""
    for order in orders:
        report = reports.path(order.attempt, spool.directory(key))
        if not _kept(report):
            files.remove(os.path.join(node.scratch or spool.directory(key), order.attempt))
    return DONE


def _kept(path: str) -> bool:
    try:
        with open(path, "rb") as text:
            return bool(wire.loads(wire.Report, text.read()).kept)
    except (OSError, wire.WireError):
        return False


def orders_of(spool: Spool, key: str, note: Callable[[str], None]) -> Optional[List[batch.Order]]:
    """The orders of a submission; None when it is gone, none at all when they cannot be read."""
    try:
        return batch.read(os.path.join(spool.directory(key), "manifests.jsonl"))
    except FileNotFoundError:
        return None
    except (OSError, wire.WireError) as error:
        note(f"{key}: {error}")
        return []


def slots_of(orders: List[batch.Order], slots: int) -> int:
    """How many slots a submission takes: the cores of its widest attempt, at most all of them."""
    cores = [order.limits.cores for order in orders if isinstance(order, wire.Manifest)]
    return max(1, min(max(cores, default=1), slots))


def leave(
    work: Work, spool: Spool, key: str, orders: List[batch.Order], node: wire.Node, who: Identity
) -> NoReturn:
    """Do the work of a forked process and end it; what the work did not foresee goes to the log."""
    code = BROKEN
    try:
        code = work(spool, key, orders, node, who)
    except BaseException:
        sys.stderr.write(f"{key}: {traceback.format_exc()}")
        sys.stderr.flush()
    finally:
        os._exit(code)
