"""The state tables, from the tables that the engine obeys."""

from __future__ import annotations

from collections.abc import Mapping

from engine.domain import execution, retry, shown_states
from engine.domain.attempt import NO_CHANGE, TRANSITIONS, AttemptEvent, AttemptState
from engine.domain.job import MAY_BECOME, JobState
from engine.domain.retry import Failure
from tests.docs.markdown import code, table
from tests.docs.sources import field_comments
from wrappers import wire
from wrappers.causes import CAUSES, NO, PERHAPS, YES, Cause


def attempts() -> str:
    """What each piece of news does to an attempt in each state that is not final."""
    live = [state for state in AttemptState if not state.is_final]
    rows = [[code(news), *(_cell(state, news) for state in live)] for news in AttemptEvent]
    return table(["news", *map(code, live)], rows)


def _cell(state: AttemptState, news: AttemptEvent) -> str:
    if (state, news) in NO_CHANGE:
        return "·"
    step = TRANSITIONS.get((state, news))
    if step is None:
        return ""
    effects = "".join(f" + {effect}" for effect in step.effects)
    return code(step.to) + effects


def news() -> str:
    """What each piece of news means, where its name does not say."""
    meanings = field_comments(AttemptEvent)
    return table(
        ["news", "meaning"], [(code(n), meanings[n.name]) for n in AttemptEvent if n.name in meanings]
    )


def jobs() -> str:
    """Where a job may go from each state."""
    meanings = field_comments(JobState)
    rows = [
        (
            code(state),
            meanings.get(state.name, ""),
            _targets(state),
        )
        for state in JobState
    ]
    return table(["state", "meaning", "may become"], rows)


def _targets(state: JobState) -> str:
    return ", ".join(code(to) for to in JobState if to in MAY_BECOME[state])


def executions() -> str:
    """The states of an execution."""
    meanings = field_comments(execution.ExecutionState)
    states = execution.ExecutionState
    return table(["state", "meaning"], [(code(s), meanings.get(s.name, "")) for s in states])


def failures() -> str:
    """Each failure class and what it means."""
    meanings: Mapping[str, str] = {**field_comments(retry.Failure), **field_comments(wire)}
    return table(["class", "meaning"], [(code(f), meanings[f.name]) for f in Failure])


def causes() -> str:
    """Each cause of a failure: its class, what to do, how often it is tried again, whose fault it is."""
    header = ["class", "cause", "what has happened", "what to do", "tried again", "counts against the site"]
    rows = [
        (code(c.failure), code(c.name), c.words, c.remedy, _again(c), _SITE[c.site])
        for failure in Failure
        for c in CAUSES.values()
        if c.failure == failure
    ]
    return table(header, rows)


def _again(cause: Cause) -> str:
    times = {0: "no", 1: "once"}.get(cause.again, f"{cause.again} times")
    return times if not cause.again else f"{times}, after {cause.delay:g} s"


_SITE = {NO: "no", PERHAPS: "when it works elsewhere", YES: "yes"}


def shown_jobs() -> str:
    """Each state of a job that is shown, and the stored ones that it stands for."""
    meanings = field_comments(shown_states.ShownJobState)
    rows = [
        (code(s), meanings.get(s.name, ""), ", ".join(map(code, shown_states.stored_states([s]))))
        for s in shown_states.ShownJobState
    ]
    return table(["state", "meaning", "stored as"], rows)


def shown_executions() -> str:
    """Each state of an execution that is shown."""
    meanings = field_comments(shown_states.ShownExecutionState)
    shown = shown_states.ShownExecutionState
    return table(["state", "meaning"], [(code(s), meanings.get(s.name, "")) for s in shown])


PARTS = {
    "states.shown-jobs": shown_jobs,
    "states.shown-executions": shown_executions,
    "states.attempts": attempts,
    "states.news": news,
    "states.jobs": jobs,
    "states.executions": executions,
    "states.failures": failures,
    "states.causes": causes,
}
