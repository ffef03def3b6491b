"""Implements `engine.ports.Backend` on a DiracX server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from engine.backends.diracx import sandbox
from engine.backends.diracx.answers import Refused
from engine.backends.diracx.client import Client
from engine.backends.diracx.search import Filter, Row, later, one_of, search, summary
from engine.backends.diracx.status import change
from engine.backends.diracx.submit import Described, find, submit
from engine.backends.wms import payload, states
from engine.backends.wms.jdl import Wishes, adapted, describe, job_group
from engine.backends.wms.outputs import Unreadable, unpack
from engine.backends.wms.resources import Rates, needs, tags
from engine.backends.wms.taken import Taken
from engine.backends.wms.watch import FIELDS, Watch
from engine.errors import CredentialExpired
from engine.ports import Accepted, Capabilities, Identity, Observation, Rejected, Submission
from wrappers import wire

RETRIEVALS = 8
"""Output sandboxes fetched at a time: each takes three requests."""
STATUSES = 200
"""Jobs of one change of states: the time that DiracX takes grows faster than their number (measured)."""


@dataclass(frozen=True, slots=True)
class DiracxSettings:
    """Which server, as whom, and how jobs are described."""

    url: str
    credential: Path
    node: wire.Node
    proxy: bool = False
    vo: str = ""
    group: str = ""
    authorities: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    rates: Rates = field(default_factory=Rates)
    at_once: int = 4
    """Submitting requests at a time."""
    window: int = 10_000
    poll_interval: float = 10.0
    settled_after: float = 60.0
    """Seconds after which a request that was given up is certainly over at the server."""
    shared_files: bool = False
    """Whether nodes find the files of this machine under the same paths."""


class DiracxBackend:
    """Jobs of one user at one DiracX server."""

    def __init__(self, name: str, settings: DiracxSettings) -> None:
        self.name = name
        self._settings = settings
        self._client = Client(
            settings.url, settings.credential, proxy=settings.proxy, authorities=settings.authorities
        )
        self._watch = Watch(_Questions(self._client), time.monotonic, settings.poll_interval * 0.9)
        self._taken = Taken(self._watch)
        self.capabilities = Capabilities(
            batch_size=200,
            window=settings.window,
            poll_interval=settings.poll_interval,
            visibility_delay=settings.settled_after,
            gone_after=settings.settled_after,
            remote=not settings.shared_files,
            retrievals=RETRIEVALS,
            second_reports=True,
        )

    def check(self) -> None:
        """See that the server knows us as who we are meant to be."""
        token = self._client.token()
        for what, wanted, has in (
            ("VO", self._settings.vo, token.vo),
            ("group", self._settings.group, token.group),
        ):
            if wanted and has and wanted != has:
                raise CredentialExpired(
                    f"the token in {self._settings.credential} is for {what} {has}, not {wanted}",
                    remedy="log in again, or correct the settings diracx.vo and diracx.group",
                )
        self._client.call("GET", "/api/auth/userinfo")

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Upload one sandbox for each execution, then hand over lists of descriptions."""
        answers = self._taken.answers(batch)
        described = list[Described]()
        fresh = sorted((i for i in batch if i.key not in answers), key=attrgetter("group"))
        for group, some in groupby(fresh, key=attrgetter("group")):
            items = list(some)
            try:
                described += self._describe(group, items)
            except Refused as error:  # it is too large
                answers |= {i.key: Rejected(f"DiracX refuses its sandbox: {error}") for i in items}
        if described:
            outcome = self._client.run(submit(self._client, described, self._settings.at_once))
            groups = {item.key: item.group for item in described}
            self._taken.note(groups, outcome.answers, outcome.at or time.time())
            answers |= outcome.answers
            if outcome.trouble is not None and any(item.key not in answers for item in batch):
                raise outcome.trouble
        return [answers[item.key] for item in batch]

    def find(self, group: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Look for jobs by group and name."""
        return self._client.run(find(self._client, job_group(group), keys))

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """What the last look at the server told; a new one is made when it is time."""
        return self._watch.observe(native_ids)

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Have them killed. DIRAC says so at once; the node hears of it with its next heartbeat."""
        self._set_states(native_ids, ["Killed"])
        self._watch.hurry()

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Take reports and logs out of the output sandbox. One that cannot be read is as good as none."""
        if not native_id.isdigit():
            return []
        return self._client.run(_bring(self._client, native_id, into))

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """DiracX cannot tell before the job has ended."""
        return b""

    def forget(self, native_ids: Sequence[str]) -> None:
        """Have them deleted, and with them their sandboxes; one that still runs is killed first."""
        self._set_states(native_ids, ["Killed", "Deleted"])
        self._watch.forget(native_ids)

    def history(self, native_id: str) -> Sequence[tuple[float, str]]:
        """DIRAC's own story of a job: when, and in which words."""
        if not native_id.isdigit():
            return []
        rows, _ = self._client.run(
            search(self._client, [one_of("JobID", [int(native_id)])], ["JobID", "LoggingInfo"])
        )
        return [_told(row) for found in rows for row in found.get("LoggingInfo") or []]

    def identity(self) -> Identity:
        """What the credential says. The server is not asked, unless the token must be renewed."""
        token = self._client.token()
        return Identity(token.owner, f"{token.vo} {token.group}".strip(), self._client.credentials.ends())

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    # --- parts -------------------------------------------------------------------------------------

    @cached_property
    def _common(self) -> dict[str, bytes]:
        return payload.common(self._settings.node._replace(diracx=self._client.url))

    def _describe(self, group: str, items: Sequence[Submission]) -> list[Described]:
        files, places = payload.orders(items)
        archive = payload.pack({**self._common, **files})
        name = self._client.run(sandbox.upload(self._client, archive))
        return [
            Described(item.key, job_group(group), self._jdl(item, name, place))
            for item, place in zip(items, places, strict=True)
        ]

    def _jdl(self, item: Submission, name: str, place: tuple[int, int]) -> str:
        usual, rates = self._settings.wishes, self._settings.rates
        wishes = adapted(usual, item.avoid, tags(item.manifests, rates))
        return describe(item.key, item.group, [name], place, needs(item.manifests, rates), wishes)

    def _set_states(self, native_ids: Sequence[str], states: Sequence[str]) -> None:
        ids = [id_ for id_ in native_ids if id_.isdigit()]
        for start in range(0, len(ids), STATUSES):
            self._client.run(change(self._client, ids[start : start + STATUSES], states))


class _Questions:
    """What `Watch` asks, waited for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def changed(self, groups: Sequence[str], since: float) -> tuple[list[Row], float]:
        moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return self._search([one_of("JobGroup", groups), later("LastUpdateTime", moment)], FIELDS)

    def count_active(self, groups: Sequence[str]) -> int:
        filters = [one_of("JobGroup", groups), one_of("Status", states.ACTIVE)]
        counts = self._client.run(summary(self._client, filters, ["Status"]))
        return sum(row["count"] for row in counts)

    def active(self, groups: Sequence[str]) -> list[Row]:
        filters = [one_of("JobGroup", groups), one_of("Status", states.ACTIVE)]
        return self._search(filters, [*FIELDS, "JobName"])[0]

    def of(self, numbers: Sequence[int]) -> tuple[list[Row], float]:
        return self._search([one_of("JobID", numbers)], FIELDS)

    def _search(self, filters: Sequence[Filter], fields: Sequence[str]) -> tuple[list[Row], float]:
        return self._client.run(search(self._client, filters, fields))

    def cancel(self, native_ids: Sequence[str]) -> None:
        for start in range(0, len(native_ids), STATUSES):
            some = native_ids[start : start + STATUSES]
            self._client.run(change(self._client, some, ["Killed"]))


async def _bring(client: Client, native_id: str, into: Path) -> list[Path]:
    try:
        names = await sandbox.outputs_of(client, native_id)
        brought = []
        for name in names:
            brought += unpack(await sandbox.download(client, name), into)
        return brought
    except (Refused, Unreadable):
        return []


def _told(row: Mapping[str, str]) -> tuple[float, str]:
    words = f"{row.get('Status', '')} ({row.get('MinorStatus', '')})"
    if row.get("ApplicationStatus") not in (None, "", "Unknown", "idem"):
        words += f": {row['ApplicationStatus']}"
    moment = datetime.fromisoformat(row["StatusTime"])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp(), f"{words}, says {row.get('Source', 'Unknown')}"
