"""Heads of the audit trail outside of the database: whoever can write the database cannot take them back.

After each commit the head is a line of a file of JSON lines, and a message to the system's log.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from engine import xdg
from engine.store.audit import Head

FILE, SYSLOG = "file", "syslog"
_SOCKET = "/dev/log"
_AUTHPRIV_NOTICE = 10 * 8 + 5  # RFC 5424: facility and severity
log = logging.getLogger("engine.audit")


def default_path() -> Path:
    """Return the file, where the settings name no other."""
    return xdg.directory("XDG_STATE_HOME", ".local/state") / "audit-heads.jsonl"


class HeadExporter:
    """Writer of heads to files and syslog, and reader of those in files."""

    def __init__(self, directories: Sequence[str]) -> None:
        """`directories`: `file`, `syslog`, or paths of files."""
        self._files = [default_path() if one == FILE else Path(one) for one in directories if one != SYSLOG]
        self._syslog = SYSLOG in directories

    def write(self, head: Head) -> None:
        """Write a head everywhere. What cannot be written is logged: the work goes on."""
        for path in self._files:
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with open(path, "ab", opener=_private) as file:
                    file.write(json.dumps(asdict(head)).encode("ascii") + b"\n")
            except OSError as error:
                log.error("the head of the audit trail cannot be written to %s: %s", path, error.strerror)
        if self._syslog:
            _to_system_log(head)

    def read(self) -> Iterator[tuple[Path, int, Head | None]]:
        """Yield the heads in the files, each with its file and line; None: the line is none."""
        for path in self._files:
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            with file:
                for number, line in enumerate(file, 1):
                    yield path, number, _head(line)


def _head(line: bytes) -> Head | None:
    try:
        fields = json.loads(line)
        return Head(int(fields["number"]), str(fields["sha256"]), str(fields["signature"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _to_system_log(head: Head) -> None:
    text = f"<{_AUTHPRIV_NOTICE}>boutiques-engine: {head.signed_text} {head.signature}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.setblocking(False)  # a log that is stuck holds up nobody
        try:
            sending.sendto(text.encode("ascii"), _SOCKET)
        except OSError:
            log.debug("there is no system log")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
