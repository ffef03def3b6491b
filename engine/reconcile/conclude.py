"""The end of executions: their state, and plans that nobody finishes."""

from __future__ import annotations

from engine.domain.execution import ExecutionState, Intent
from engine.domain.execution import conclude as verdict
from engine.domain.job import JobState
from engine.reconcile.clearing import clear
from engine.reconcile.context import TickContext, log
from engine.reconcile.derivatives import assemble
from engine.store import alerts, events, executions, job_counts, needs
from engine.store.executions import Execution

CLEAR_INTERVAL_S = 300.0
"""Seconds after which a storage that did not answer is cleared again."""
PLANNING_LIMIT_S = 900.0
"""Seconds without a new page of jobs after which a planning execution counts as abandoned."""


def conclude(context: TickContext) -> bool:
    """End executions whose jobs are all final."""
    with context.db.read() as connection:
        resting = executions.at_rest(connection, context.backend.name)
        waiting = {e.id for e in resting if job_counts.of(connection, e.id)[JobState.BLOCKED]}
    for execution in resting:
        if execution.id not in waiting:
            _end(context, execution)
        elif execution.intent != Intent.CANCEL:  # else `follow_intent` ends them, a page each round
            _count_anew(context, execution)
    return any(execution.id not in waiting for execution in resting)


def _end(context: TickContext, execution: Execution) -> None:
    clean = _clear(context, execution)
    dataset = assemble(context, execution)
    now = context.clock.now()
    with context.write() as connection:
        current = executions.get(connection, execution.id, lock=True)
        state = verdict(job_counts.of(connection, execution.id))  # the user may have retried meanwhile
        if state.is_final:
            if dataset is not None:
                events.append(
                    connection, [events.of_dataset(execution.id, now, dataset.url, dataset.problem)]
                )
            executions.set_state(connection, current, state, now=now)
            alerts.clear(connection, execution.id)
            executions.clear_at(connection, execution.id, None if clean else now + CLEAR_INTERVAL_S)


def clear_due(context: TickContext) -> bool:
    """Remove what attempts left on storages that did not answer when their execution ended."""
    now = context.clock.now()
    with context.db.read() as connection:
        due = executions.to_clear(connection, context.backend.name, now=now)
    for execution in due:
        clean = _clear(context, execution)
        with context.write() as connection:
            executions.clear_at(connection, execution.id, None if clean else now + CLEAR_INTERVAL_S)
    return bool(due)


def _clear(context: TickContext, execution: Execution) -> bool:
    """Remove what was written and not committed. False when a storage could not be asked."""
    trouble = clear(context.db, context.storage, execution)
    for error in trouble:  # results are safe: nobody need wait
        log.warning("execution %s: what attempts left there is removed later: %s", execution.id, error)
    return not trouble


def _count_anew(context: TickContext, execution: Execution) -> None:
    """Count again what the jobs wait for that still do: nothing moves, so a count must be wrong."""
    with context.write() as connection:
        executions.get(connection, execution.id, lock=True)
        needs.count_anew(connection, execution.id)


def drop_abandoned_plans(context: TickContext) -> bool:
    """End executions whose planner died before their jobs were all written.

    Nothing of them ever ran, and their keys may be used again.
    """
    now = context.clock.now()
    with context.db.read() as connection:
        planning = executions.in_state(connection, [ExecutionState.PLANNING])
    dead = [e for e in planning if e.intent == Intent.CANCEL or now - e.updated_at > PLANNING_LIMIT_S]
    for execution in dead:
        with context.write() as connection:
            events.append(
                connection,
                [events.Event(execution.id, now, "abandoned", detail="its planning was cut short")],
            )
            executions.set_state(connection, execution, ExecutionState.CANCELLED, now=now)
            executions.free_key(connection, execution.id)
    return bool(dead)
