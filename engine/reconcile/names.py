"""Names of results, of which each is one job's alone: in the database, and among those that end together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.domain import naming
from engine.errors import BadRequest
from engine.reconcile import layout
from engine.reconcile.context import TickContext
from engine.store import products
from engine.store.executions import Execution
from engine.store.jobs import Job


@contextmanager
def taken(context: TickContext, execution: Execution, job: Job, names: Sequence[str]) -> Iterator[None]:
    """Take names for a job; they are free again when the block fails. Several threads may ask at a time.

    Raises:
        BadRequest: another job has one of them already, or takes it in this round.
    """
    if naming.is_own(layout.template(execution, job)):
        own = layout.own_directory(execution, job)
        if others := sorted(name for name in names if not name.startswith(own)):
            raise BadRequest(f"result {others[0]} is not below {own}, where those of this job are")
        yield
        return
    ours = dict.fromkeys((execution.id, name) for name in names)
    with context.db.read() as connection:
        before = products.owners_of_names(connection, execution.id, names)
    got = [key for key in ours if context.names.setdefault(key, job.id) == job.id]
    try:
        others = sorted(
            {name for name, owner in before.items() if owner != job.id}
            | {name for _, name in ours.keys() - got}
        )
        if others:
            raise BadRequest(f"result {others[0]} exists already: two jobs write the same name")
        yield
    except BaseException:
        for key in got:
            context.names.pop(key, None)
        raise
