"""A real back-end with trouble on the line: for seeing what the engine makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import EngineError
from engine.ports import Accepted, Backend, Capabilities, Observation, Rejected, Submission


class Faulty:
    """Wraps a back-end. Each attribute is a fault that can be switched on and off while it is used."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.name = inner.name
        self.calls: list[str] = []
        """Every call, in order, the refused ones too."""
        self.down: EngineError | None = None
        """Raised by every call."""
        self.reply_lost: EngineError | None = None
        """Raised by `submit` after it has done its work: the worst moment."""
        self.rejects: str = ""
        """Refuse every submission for this reason."""
        self.forgets: set[str] = set()
        """Native ids that it knows nothing of any more."""
        self.copies: dict[str, list[str]] = {}
        """Key -> native ids that `find` gives instead of the true one."""
        self.spoils: Callable[[Path], object] | None = None
        """Applied to every file that `retrieve` brought."""
        self.retrievals: int = 1
        """Calls of `retrieve` that it takes at a time."""
        self.sites: dict[str, str] = {}
        """Native id -> the site of a grid where it is said to be."""
        self.submitted: list[Submission] = []
        """Every submission that came here."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of the real one, but for how many calls it takes at a time."""
        return replace(self.inner.capabilities, retrievals=self.retrievals)

    def check(self) -> None:
        """Ask it, unless it is down."""
        self._enter("check")
        self.inner.check()

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Start them, unless told otherwise."""
        self._enter("submit")
        self.submitted += batch
        if self.rejects:
            return [Rejected(self.rejects) for _ in batch]
        answers = self.inner.submit(batch)
        if self.reply_lost:
            raise self.reply_lost
        return answers

    def find(self, execution: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Find them, with the copies that the network made."""
        self._enter("find")
        found = self.inner.find(execution, keys)
        return {**found, **{k: v for k, v in self.copies.items() if k in keys}}

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """Look, but at nothing that was forgotten."""
        self._enter("observe")
        return [
            replace(o, site=self.sites.get(o.native_id, o.site))
            for o in self.inner.observe(native_ids)
            if o.native_id not in self.forgets
        ]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End them."""
        self._enter("cancel")
        self.inner.cancel(native_ids)

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Bring the files, spoiled if so told."""
        self._enter("retrieve")
        brought = self.inner.retrieve(native_id, into)
        for path in brought if self.spoils else ():
            content = path.read_bytes()
            path.unlink()  # it may be a link to the original
            path.write_bytes(content)
            if self.spoils:
                self.spoils(path)
        return brought

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """Read on."""
        self._enter("log")
        return self.inner.log(native_id, name, offset)

    def forget(self, native_ids: Sequence[str]) -> None:
        """Let go of them."""
        self._enter("forget")
        self.inner.forget(native_ids)

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        if self.down:
            raise self.down
