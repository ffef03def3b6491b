"""Jobs that a client has made of invocations and sweeps itself: `engine --server URL submit` reads files of
its own machine for that. Each is checked like any other values of a user.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.app.portal import values
from engine.app.portal.carmin import CarminError, Code
from engine.domain.need import ALL, check_need
from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.planning import Point
from engine.planning.points import REPEAT
from engine.planning.vip_keys import copied_inputs, key_problems


@dataclass(frozen=True, slots=True)
class GivenJob:
    """A job as it was given."""

    values: Mapping[str, Any]
    parameters: Sequence[str] = ()
    """Ids of the inputs whose values are its parameters."""
    repeat: int | None = None
    """Which repetition it is, of several."""
    step: int = 0
    point: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[int] = ()
    """Numbers of the jobs before it that it waits for."""
    need: str = ALL


def points_of(tool: Tool, jobs: Iterable[GivenJob]) -> list[Point]:
    """Make the points of an execution.

    Raises:
        CarminError: a value of one cannot be one, or the descriptor's keys for VIP are wrong.
    """
    if wrong := key_problems(tool):
        raise CarminError(Code.WRONG_DESCRIPTOR, wrong[0])
    return [_point(tool, number, job) for number, job in enumerate(jobs)]


def merged(jobs: Iterable[GivenJob]) -> dict[str, Any]:
    """Tell the values of all jobs as those of one invocation: a list where they differ."""
    found: dict[str, dict[str, Any]] = {}
    for job in jobs:
        for id_, value in job.values.items():
            found.setdefault(id_, {}).setdefault(json.dumps(value, sort_keys=True), value)
    every = {id_: list(distinct.values()) for id_, distinct in found.items()}
    return {id_: some[0] if len(some) == 1 else some for id_, some in every.items()}


def _point(tool: Tool, index: int, job: GivenJob) -> Point:
    where = f"job {index + 1}"
    try:
        invocation = values.invocation(tool, job.values)
    except CarminError as refusal:
        raise CarminError(refusal.code, f"{where}, {refusal.message}", remedy=refusal.remedy) from None
    for copy, source in copied_inputs(tool).items():
        if source in invocation:
            invocation[copy] = invocation[source]
    parameters = {id_: invocation[id_] for id_ in job.parameters if id_ in invocation}
    if job.repeat is not None:
        parameters[REPEAT] = job.repeat
    if problem := _needs_problem(index + 1, job):
        raise CarminError(Code.BAD_INPUT, f"{where}, {problem}")
    return Point(
        index,
        invocation,
        parameters,
        where,
        step=job.step,
        place=job.point,
        needs=tuple(dict.fromkeys(job.needs)),
        need=job.need,
    )


def _needs_problem(number: int, job: GivenJob) -> str:
    """Tell what is wrong with what a job waits for; "" is nothing."""
    wrong = next((one for one in job.needs if not 0 < one < number), None)
    if wrong is not None:
        return f"needs: {wrong} is no job before it"
    try:
        check_need(job.need, "need")
    except BadRequest as error:
        return str(error)
    return ""
