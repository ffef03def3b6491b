"""What this program is about to do to a repository, written before it does it: only that may be undone."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from cvmfs_deploy.publish.effects import put_file

Step = Literal["opening", "open", "publishing"]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A transaction of ours."""

    token: str
    """Ours, and in the environment of every command that is run for it."""
    started: float
    """Seconds since 1970."""
    revision: int
    """The revision that was published when it began."""
    what: tuple[str, ...]
    """What it was to publish, for people."""
    step: Step = "opening"
    identity: str = ""
    """Of the transaction, once it is open; see `Server.identity`."""
    process: int = 0


class Journal:
    """A file with at most one entry."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> JournalEntry | None:
        """Read the transaction that was not ended; None when there is none."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            known = {key: data[key] for key in JournalEntry.__dataclass_fields__ if key in data}
            return JournalEntry(**{**known, "what": tuple(known["what"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, entry: JournalEntry) -> JournalEntry:
        """Write it down."""
        entry = replace(entry, process=os.getpid())
        self._write(entry)
        return entry

    def opened(self, entry: JournalEntry, identity: str) -> JournalEntry:
        """Record that the transaction is open."""
        entry = replace(entry, step="open", identity=identity)
        self._write(entry)
        return entry

    def publishing(self, entry: JournalEntry) -> JournalEntry:
        """Record that the last step begins."""
        entry = replace(entry, step="publishing")
        self._write(entry)
        return entry

    def clear(self) -> None:
        """Record that the transaction has ended, in either way."""
        self._path.unlink(missing_ok=True)

    def _write(self, entry: JournalEntry) -> None:
        put_file(self._path, json.dumps(asdict(entry), indent=1).encode())
