"""What both ways to DIRAC's workload management do alike: all but speaking to it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter

from engine.backends.wms import payload
from engine.backends.wms.jdl import Value, adapted, attributes, job_group
from engine.backends.wms.recent_submissions import RecentSubmissions
from engine.backends.wms.resources import needs, tags
from engine.backends.wms.settings import GridSettings
from engine.backends.wms.watch import JobWatch, Questions
from engine.errors import BackendUnavailable, CredentialExpired
from engine.ports import Accepted, Capabilities, Observation, Rejected, Submission
from wrappers import wire


@dataclass(frozen=True, slots=True)
class Described:
    """A submission, ready to go."""

    key: str
    group: str
    """The JobGroup."""
    attributes: Mapping[str, Value]
    files_range: tuple[int, int]
    """Where its manifests are in the sandbox: the first, and how many."""


@dataclass(slots=True)
class SubmitOutcome:
    """The answers of a submit, by key. Whoever is missing has no answer, because of `trouble`."""

    answers: dict[str, Accepted | Rejected] = field(default_factory=dict)
    at: float = 0.0
    """When the server answered, by its own clock, where it told."""
    trouble: BackendUnavailable | CredentialExpired | None = None


class GridBackend(ABC):
    """Jobs of one user at one installation of DIRAC. Implements most of `engine.ports.Backend`."""

    def __init__(
        self, name: str, settings: GridSettings, ask: Questions, *, batch_size: int, retrievals: int
    ) -> None:
        """`batch_size`: submissions that share a sandbox; `retrievals`: output sandboxes at a time."""
        self.name = name
        self._grid = settings
        self._ask = ask
        self._watch = JobWatch(ask, time.monotonic, settings.poll_interval * 0.9)
        self._taken = RecentSubmissions(self._watch)
        self.capabilities = Capabilities(
            batch_size=batch_size,
            window=settings.window,
            poll_interval=settings.poll_interval,
            visibility_delay=settings.settled_after,
            gone_after=settings.settled_after,
            needs_staging=not settings.shared_files,
            retrievals=retrievals,
            second_reports=True,
        )

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Upload one sandbox for each execution, then hand over the descriptions."""
        answers = self._taken.answers(batch)
        described = list[Described]()
        fresh = sorted((i for i in batch if i.key not in answers), key=attrgetter("execution"))
        for execution, some in groupby(fresh, key=attrgetter("execution")):
            items = list(some)
            files, ranges = payload.manifest_files(items)
            sandbox = self._upload({**self._common, **files})
            if isinstance(sandbox, Rejected):
                answers |= {item.key: sandbox for item in items}
                continue
            described += [
                self._describe(job_group(execution), item, sandbox, files_range)
                for item, files_range in zip(items, ranges, strict=True)
            ]
        if described:
            outcome = self._hand_over(described)
            groups = {item.key: item.group for item in described}
            # where the server does not tell its time with its answer, ours must do until it is asked for it
            self._taken.note(groups, outcome.answers, outcome.at or time.time())
            answers |= outcome.answers
            if outcome.trouble is not None and any(item.key not in answers for item in batch):
                raise outcome.trouble
        return [answers[item.key] for item in batch]

    def find(self, execution: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Look for jobs by group and name."""
        return self._ask.find(job_group(execution), keys)

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """Return what the last look at the server showed; a new one is made when it is time."""
        return self._watch.observe(native_ids)

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Have them killed. DIRAC says so at once; the node hears of it with its next heartbeat."""
        self._ask.cancel(native_ids)
        self._watch.hurry()

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """DIRAC cannot tell before the job has ended."""
        return b""

    def forget(self, native_ids: Sequence[str]) -> None:
        """Have them deleted, and with them their sandboxes; one that still runs is killed first."""
        self._ask.delete(native_ids)
        self._watch.forget(native_ids)

    @abstractmethod
    def _upload(self, files: Mapping[str, bytes]) -> str | Rejected:
        """Bring an input sandbox there: its name, as job descriptions want it."""

    @abstractmethod
    def _hand_over(self, items: Sequence[Described]) -> SubmitOutcome:
        """Submit each once, if the server lets us."""

    def _node(self) -> wire.Node:
        """Return how worker nodes are set up."""
        return self._grid.node

    @cached_property
    def _common(self) -> dict[str, bytes]:
        return payload.common(self._node())

    def _describe(
        self, group: str, item: Submission, sandbox: str, files_range: tuple[int, int]
    ) -> Described:
        rates = self._grid.rates
        requirements = adapted(self._grid.requirements, item.grid, item.avoid, tags(item.manifests, rates))
        needed = needs(item.manifests, rates)
        if item.grid.cpu_time is not None:
            needed["CPUTime"] = item.grid.cpu_time * max(len(item.manifests), 1)
        return Described(
            item.key,
            group,
            attributes(item.key, item.execution, [sandbox], files_range, needed, requirements),
            files_range,
        )

    def _expect(self, credential: str, **has: str) -> None:
        """See that a credential is for the VO and group of the settings.

        Raises:
            CredentialExpired: it is for others.
        """
        for what, value in has.items():
            wanted = getattr(self._grid, what)
            if wanted and value and wanted != value:
                raise CredentialExpired(
                    f"{credential} is for {what} {value}, not {wanted}",
                    remedy=f"make another one (`engine login`), or correct the setting {self.name}.{what}",
                )
