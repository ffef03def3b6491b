"""Printing: JSON for programs, tables for people, words to stderr."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from cvmfs_deploy.cli.session import session
from engine.terminal import counted, plain, say, table

__all__ = ["counted", "json_document", "note", "say", "short", "table"]


def json_document(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=1, default=_plain))


def note(*words: str) -> None:
    """Print a line on what went well; `--quiet` leaves it out, so that cron sends no mail."""
    if not session.quiet:
        say(*words)


def short(digest: str) -> str:
    """Shorten a digest to what tells it from others."""
    return digest.removeprefix("sha256:")[:12]


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else plain(value)
