"""Files that the portal reads below the directory of workflows: what jobs printed, and what was launched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.domain.file_urls import to_path
from engine.errors import Unavailable
from engine.reconcile import layout
from engine.store.driven import Try
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.vip.columns import shown
from engine.vip.rows import file_name

LARGEST = 8 << 20
"""Bytes of a log that are shown: its last ones."""
_DIRECTORY, _FILE = 0o2775, 0o664
"""Modes, whatever the umask of the daemon: H2, the portal and Apache have accounts of their own."""
_DIRECTORIES = ("db", "out", "err", "sh", "provenance")


class WorkflowFiles:
    """The directory of workflows."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def begin(self, execution: Execution, launch: Launch) -> None:
        """Make the directory of an execution, with its inputs as they were launched.

        Raises:
            Unavailable: the file system takes nothing.
        """
        with _understood(self._top):
            own = self._top / execution.id
            for path in (own, *(own / name for name in _DIRECTORIES)):
                if not path.is_dir():
                    path.mkdir()
                    path.chmod(_DIRECTORY)
            values = {name: _listed(value) for name, value in launch.inputs.items()}
            if launch.location:
                values["results-directory"] = _listed(launch.location)
            _put(own / "inputs", json.dumps(values, indent=1).encode())

    def put(self, execution: Execution, launch: Launch, job: Job, tries: Sequence[Try]) -> None:
        """Put what ended attempts of a job left: what they printed, and the record of their provenance.

        Raises:
            Unavailable: the file system takes nothing.
        """
        own = self._top / execution.id
        with _understood(self._top):
            for one in tries:
                if not one.state.at_rest:
                    continue
                name = file_name(launch, job.number, one.ordinal)
                for stream in ("out", "err"):
                    printed = to_path(layout.log_url(execution, job.number, one.ordinal, stream))
                    target = own / stream / f"{name}.sh.app.{stream}"
                    if not _filled(target):
                        _put(target, _tail(printed))
                        words = str((one.report or {}).get("message") or job.message)
                        _put(
                            own / stream / f"{name}.sh.{stream}",
                            f"{shown(words)}\n".encode("utf-8", "backslashreplace"),
                        )
                record = to_path(layout.record_url(execution, job.number, one.ordinal))
                if record.is_file():
                    _copy_record(record, own, name)


def _copy_record(record: Path, own: Path, name: str) -> None:
    target = own / "provenance" / f"{name}.sh.provenance.json"
    if target.exists():
        return
    document = _without_secrets(json.loads(record.read_bytes()))
    _put(target, json.dumps(document, indent=1).encode())
    command = str(document.get("public-output", {}).get("shell-command", ""))
    _put(own / "sh" / f"{name}.sh", f"{command}\n".encode("utf-8", "backslashreplace"))


def _without_secrets(value: Any) -> Any:
    """Cut what is secret from every text of a document."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {key: _without_secrets(one) for key, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - LARGEST, 0))
            return file.read(LARGEST)
    except FileNotFoundError:  # empty ones are not kept
        return b""


def _filled(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _put(path: Path, content: bytes) -> None:
    if not path.exists() or (content and not _filled(path)):
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(content)
        part.chmod(_FILE)
        part.rename(path)


def _listed(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [shown(one if isinstance(one, str) else json.dumps(one)) for one in values]


@contextmanager
def _understood(top: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{error.filename or top}: {error.strerror}", remedy="see vip.workflows") from None
