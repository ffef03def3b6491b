"""From submissions to jobs: those that differ in nothing but name and destination go as one parametric job.

A request is taken or refused as a whole. One that is refused is repeated job by job, so that a bad one does
not sink the others. One whose answer did not come may have arrived: its jobs are looked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from engine.backends.dirac.questions import DiracQuestions
from engine.backends.wms.backend import Described, SubmitOutcome
from engine.backends.wms.jdl import Value, parametric, render
from engine.dirac.client import DiracRefused
from engine.errors import BackendUnavailable, CredentialExpired
from engine.ports import Accepted, Rejected

TIMEOUT_S = 180.0
"""Seconds for one request: DIRAC makes some 75 jobs a second of a parametric one (measured)."""


@dataclass(frozen=True, slots=True)
class DescribedJobs:
    """A job description, and the keys of its jobs."""

    keys: tuple[str, ...]
    group: str
    """The JobGroup."""
    jdl: str


def submit(ask: DiracQuestions, items: Sequence[Described], most: int, at_once: int) -> SubmitOutcome:
    """Hand over each once, if the server lets us: `most` jobs in a request, `at_once` requests at a time."""
    outcome = SubmitOutcome()
    described = {item.key: item for item in items}
    pending = requests(items, most)
    with ThreadPoolExecutor(at_once) as pool:
        while pending:
            again = list[DescribedJobs]()
            results = pool.map(lambda request: _send(ask, request), pending)
            for request, answer in zip(pending, results, strict=True):
                match answer:
                    case DiracRefused() if len(request.keys) > 1:
                        again += [_request([described[key]]) for key in request.keys]
                    case DiracRefused():
                        outcome.answers[request.keys[0]] = Rejected(f"DIRAC refuses it: {answer}")
                    case BackendUnavailable() | CredentialExpired():
                        outcome.trouble = answer
                        outcome.answers |= _arrived(ask, request)
                    case _:
                        outcome.answers |= {key: Accepted(str(number)) for key, number in answer.items()}
            pending = again
    return outcome


def requests(items: Sequence[Described], most: int) -> list[DescribedJobs]:
    """Put jobs together, at most `most` in a request; 1: each goes by itself."""
    alike: dict[object, list[Described]] = {}
    for item in items:
        alike.setdefault(_common(item.attributes), []).append(item)
    made = []
    for some in alike.values():
        for start in range(0, len(some), max(1, most)):
            together = some[start : start + max(1, most)]
            made.append(_request(together))
    return made


def _send(
    ask: DiracQuestions, request: DescribedJobs
) -> dict[str, int] | DiracRefused | BackendUnavailable | CredentialExpired:
    try:
        names: dict[str, int] = ask.ask("submit", timeout=TIMEOUT_S, jdl=request.jdl)
    except (DiracRefused, BackendUnavailable, CredentialExpired) as error:
        return error
    if set(names) != set(request.keys):
        return BackendUnavailable("DIRAC answered with other jobs than were submitted")
    return names


def _arrived(ask: DiracQuestions, request: DescribedJobs) -> dict[str, Accepted]:
    """Return those that arrived although nobody said so; when that cannot be told, there is no answer."""
    try:
        found = ask.find(request.group, request.keys)
    except (BackendUnavailable, CredentialExpired):
        return {}
    return {key: Accepted(ids[0]) for key, ids in found.items()}


def _request(together: Sequence[Described]) -> DescribedJobs:
    keys = tuple(item.key for item in together)
    first = together[0]
    if len(together) == 1:
        return DescribedJobs(keys, first.group, render(first.attributes))
    return DescribedJobs(
        keys, first.group, parametric(first.attributes, keys, [item.files_range for item in together])
    )


def _common(attributes: Mapping[str, Value]) -> object:
    """Return what parametric jobs must have in common."""
    own = ("JobName", "Arguments")
    return tuple(
        (name, value if isinstance(value, str | int) else tuple(value))
        for name, value in sorted(attributes.items())
        if name not in own
    )
