"""Implements `engine.ports.Backend` on the services of DIRAC 8 and 9."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from engine.backends.dirac.questions import Questions
from engine.backends.dirac.submit import Described, submit
from engine.backends.wms import payload, states
from engine.backends.wms.jdl import CLAIMS, LAUNCHER, Wishes, adapted, attributes, job_group
from engine.backends.wms.outputs import Unreadable, unpack
from engine.backends.wms.resources import Rates, needs, tags
from engine.backends.wms.taken import Taken
from engine.backends.wms.watch import Watch
from engine.dirac.client import Door, Refused, door
from engine.dirac.settings import DoorSettings
from engine.errors import CredentialExpired, NotFound
from engine.ports import Accepted, Capabilities, Identity, Observation, Rejected, Submission
from wrappers import wire

RETRIEVALS = 4
"""Output sandboxes fetched at a time."""


@dataclass(frozen=True, slots=True)
class DiracSettings:
    """Which client, as whom, and how jobs are described."""

    door: DoorSettings
    node: wire.Node
    vo: str = ""
    group: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    rates: Rates = field(default_factory=Rates)
    at_once: int = 4
    """Submitting requests at a time."""
    parametric: bool = True
    """Whether jobs that are alike are submitted together."""
    window: int = 10_000
    poll_interval: float = 20.0
    settled_after: float = 60.0
    """Seconds after which a request that was given up is certainly over at the server."""
    shared_files: bool = False
    """Whether nodes find the files of this machine under the same paths."""


class DiracBackend:
    """Jobs of one user at one DIRAC installation."""

    def __init__(self, name: str, settings: DiracSettings) -> None:
        self.name = name
        self._settings = settings
        self._ask = Questions(door(settings.door))
        self._watch = Watch(self._ask, time.monotonic, settings.poll_interval * 0.9)
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

    @property
    def door(self) -> Door:
        """The DIRAC client."""
        return door(self._settings.door)

    def check(self) -> None:
        """See that the client works, and that the service for jobs knows us as who we are meant to be.

        Raises:
            SettingsError: there is no DIRAC client where the settings say.
        """
        self.door.version()
        self.identity()
        there = self._ask.ask("check")
        self._expect(group=there["group"])

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Upload one sandbox for each execution, then hand over the descriptions."""
        answers = self._taken.answers(batch)
        described = dict[str, Described]()
        fresh = sorted((i for i in batch if i.key not in answers), key=attrgetter("group"))
        for group, some in groupby(fresh, key=attrgetter("group")):
            items = list(some)
            try:
                described |= self._describe(group, items)
            except Refused as error:  # it is too large
                answers |= {i.key: Rejected(f"DIRAC refuses its sandbox: {error}") for i in items}
        if described:
            outcome = submit(self._ask, described, self._most, self._settings.at_once)
            groups = {key: item.group for key, item in described.items()}
            # the server tells its time when it is asked for changes; until then ours must do
            self._taken.note(groups, outcome.answers, time.time())
            answers |= outcome.answers
            if outcome.trouble is not None and any(item.key not in answers for item in batch):
                raise outcome.trouble
        return [answers[item.key] for item in batch]

    def find(self, group: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Look for jobs by group and name. Those whose bulk submission nobody confirmed are confirmed now."""
        return self._ask.find(job_group(group), keys)

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """What the last look at the server told; a new one is made when it is time."""
        return self._watch.observe(native_ids)

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Have them killed. DIRAC says so at once; the node hears of it with its next heartbeat."""
        self._ask.change("kill", native_ids)
        self._watch.hurry()

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Take reports and logs out of the output sandbox. One that cannot be read is as good as none."""
        if not native_id.isdigit():
            return []
        with tempfile.TemporaryDirectory(prefix="engine-", dir=into.parent) as scratch:
            try:
                packed = self._ask.ask("fetch_output", number=int(native_id), into=scratch)
                brought = []
                for path in packed:
                    brought += unpack(Path(path).read_bytes(), into)
                return brought
            except (Refused, NotFound, Unreadable):
                return []

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """DIRAC cannot tell before the job has ended."""
        return b""

    def forget(self, native_ids: Sequence[str]) -> None:
        """Have them deleted, and with them their sandboxes; one that still runs is killed first."""
        self._ask.change("delete", native_ids)
        self._watch.forget(native_ids)

    def history(self, native_id: str) -> Sequence[tuple[float, str]]:
        """DIRAC's own story of a job: when, and in which words."""
        if not native_id.isdigit():
            return []
        try:
            return [_told(line) for line in self._ask.ask("history", number=int(native_id))]
        except (Refused, NotFound):
            return []

    def identity(self) -> Identity:
        """What the proxy says.

        Raises:
            CredentialExpired: there is none, it is over, or it is for another group than the settings say.
        """
        who = self._ask.ask("whoami")
        if who["left"] <= 0:
            raise CredentialExpired(
                f"the proxy {who['path']} has run out", remedy="`engine login` tells what to type"
            )
        self._expect(vo=who["vo"], group=who["group"])
        return Identity(who["owner"], f"{who['vo']} {who['group']}".strip(), time.time() + who["left"])

    def close(self) -> None:
        """End the DIRAC client; whoever asks next starts it again."""
        self.door.close()

    # --- parts -------------------------------------------------------------------------------------

    @cached_property
    def _common(self) -> dict[str, bytes]:
        return payload.common(self._settings.node)

    @cached_property
    def _most(self) -> int:
        """Jobs of one parametric description."""
        return int(self._ask.ask("check")["most"]) if self._settings.parametric else 1

    def _expect(self, **has: str) -> None:
        for what, value in has.items():
            wanted = getattr(self._settings, what)
            if wanted and value and wanted != value:
                raise CredentialExpired(
                    f"the proxy is for {what} {value}, not {wanted}",
                    remedy=f"make another one, or correct the setting dirac.{what}",
                )

    def _describe(self, group: str, items: Sequence[Submission]) -> dict[str, Described]:
        files, places = payload.orders(items)
        name = self._upload({**self._common, **files})
        return {
            item.key: Described(item.key, job_group(group), self._attributes(item, name, place), place)
            for item, place in zip(items, places, strict=True)
        }

    def _upload(self, files: Mapping[str, bytes]) -> str:
        with tempfile.TemporaryDirectory(prefix="engine-") as directory:
            for name, data in files.items():
                path = Path(directory, name)
                path.touch(0o600 if name == CLAIMS else 0o755 if name == LAUNCHER else 0o644)
                path.write_bytes(data)
            return str(self._ask.ask("upload_sandbox", directory=directory))

    def _attributes(
        self, item: Submission, sandbox: str, place: tuple[int, int]
    ) -> dict[str, str | int | Sequence[str]]:
        usual, rates = self._settings.wishes, self._settings.rates
        wishes = adapted(usual, item.avoid, tags(item.manifests, rates))
        return attributes(item.key, item.group, [sandbox], place, needs(item.manifests, rates), wishes)


def _told(line: Sequence[str]) -> tuple[float, str]:
    """A line of the logging info: status, minor status, application status, time, source."""
    status, minor, application, moment, source = (*line, "", "", "", "", "")[:5]
    at = datetime.fromisoformat(moment) if moment else datetime.fromtimestamp(0, UTC)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.timestamp(), f"{states.words(status, minor, application)}, says {source or 'Unknown'}"
