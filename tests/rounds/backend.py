"""A back-end in memory that the tests hold in their hands: no program runs, and each call is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.domain.file_urls import to_path
from engine.errors import EngineError
from engine.ports import Accepted, Capabilities, Observation, Rejected, Seen, Submission
from wrappers import wire

Change = Callable[[wire.Report], wire.Report]


@dataclass
class MemoryBackend:
    """`engine.ports.Backend`: what is submitted waits until `finish` ends it with a report."""

    name: str = "local"
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            poll_interval=0.0, allows_no_container=True, on_this_machine=True
        )
    )
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Each call with the keys or native ids that it was given, in order, the refused ones too."""
    trouble: dict[str, EngineError] = field(default_factory=dict)
    """Call -> what it raises, at once."""
    reply_lost: EngineError | None = None
    """Raised by `submit` after it has taken them."""
    refuses: str = ""
    """Why every submission is refused."""
    deaf: bool = False
    """Whether it runs on whatever is asked to end."""
    logs: Mapping[str, bytes] = field(default_factory=dict)
    """Stream (out, err, debug) -> what each attempt printed."""
    looks: Callable[[str], None] = lambda call: None
    """Looks at the world while a call is made."""
    submitted: list[Submission] = field(default_factory=list)
    """Every submission that was taken, in order, those that are forgotten too."""
    submissions: dict[str, Submission] = field(default_factory=dict)
    """Native id -> a submission that it knows."""
    seen: dict[str, Seen] = field(default_factory=dict)
    reports: dict[str, wire.Report] = field(default_factory=dict)
    """Attempt -> the report that its node left."""

    def of(self, call: str) -> list[tuple[str, ...]]:
        """What it was given by each such call."""
        return [given for name, given in self.calls if name == call]

    @property
    def in_flight(self) -> list[str]:
        """Native ids of what has not ended."""
        return [id_ for id_, seen in self.seen.items() if seen is not Seen.FINISHED]

    def manifests(self) -> list[wire.Manifest]:
        """Those of all that it knows, in the order in which they came."""
        return [manifest for one in self.submissions.values() for manifest in one.manifests]

    def run(self) -> None:
        """Start all that waits."""
        self.seen |= {id_: Seen.RUNNING for id_, seen in self.seen.items() if seen is Seen.QUEUED}

    def finish(
        self, *ids: str, files: Mapping[str, bytes] | None = None, change: Change | None = None
    ) -> None:
        """End submissions (without ids: all) well: each attempt wrote these files. `change` is done to each
        report.
        """
        written = {"out.txt": b"x\n"} if files is None else files
        for id_ in ids or self.in_flight:
            self.seen[id_] = Seen.FINISHED
            for manifest in self.submissions[id_].manifests:
                report = wire.Report(
                    attempt=manifest.attempt,
                    manifest_sha256=wire.digest(manifest),
                    outcome=wire.SUCCEEDED,
                    exit_code=0,
                    products=[_written(manifest, path, data) for path, data in written.items()],
                )
                self.reports[manifest.attempt] = change(report) if change else report

    def check(self) -> None:
        """Return if submissions would be taken."""
        self._enter("check")

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Take them."""
        self._enter("submit", *(one.key for one in batch))
        if self.refuses:
            return [Rejected(self.refuses) for _ in batch]
        self.submitted += batch
        for one in batch:
            self.submissions[f"native-{one.key}"] = one
            self.seen[f"native-{one.key}"] = Seen.QUEUED
        if self.reply_lost:
            raise self.reply_lost
        return [Accepted(f"native-{one.key}") for one in batch]

    def find(self, execution: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Find what was taken under these keys."""
        self._enter("find", *keys)
        return {
            key: [
                id_ for id_, one in self.submissions.items() if one.key == key and one.execution == execution
            ]
            for key in keys
        }

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """Tell how they are."""
        self._enter("observe", *native_ids)
        return [Observation(id_, self.seen[id_]) for id_ in native_ids if id_ in self.seen]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End them, without a report."""
        self._enter("cancel", *native_ids)
        if not self.deaf:
            self.seen |= dict.fromkeys(native_ids, Seen.FINISHED)

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Bring reports and logs."""
        self._enter("retrieve", native_id)
        brought = []
        for manifest in self.submissions[native_id].manifests:
            found = {f"{manifest.attempt}.{stream}": data for stream, data in self.logs.items()}
            if report := self.reports.get(manifest.attempt):
                found[f"{manifest.attempt}.report.json"] = wire.dumps(report).encode()
            for name, data in found.items():
                (into / name).write_bytes(data)
                brought.append(into / name)
        return brought

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """Nothing is printed while it runs."""
        return b""

    def forget(self, native_ids: Sequence[str]) -> None:
        """Let go of them."""
        self._enter("forget", *native_ids)
        for id_ in native_ids:
            self.submissions.pop(id_, None)
            self.seen.pop(id_, None)

    def _enter(self, call: str, *given: str) -> None:
        self.calls.append((call, given))
        self.looks(call)
        if call in self.trouble:
            raise self.trouble[call]


def _written(manifest: wire.Manifest, path: str, data: bytes) -> wire.DeliveredOutput:
    """Write a result as a node does."""
    url = f"{manifest.outputs_to}/{path}"
    to_path(url).parent.mkdir(parents=True, exist_ok=True)
    to_path(url).write_bytes(data)
    return wire.DeliveredOutput("out", path, url, len(data), hashlib.sha256(data).hexdigest())
