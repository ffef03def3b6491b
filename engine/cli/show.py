"""Printing: JSON for programs, tables for people, words to stderr."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from engine.terminal import cell, counted, plain, say, table

__all__ = ["Warnings", "cell", "counted", "json_line", "plain", "say", "size", "table"]


def json_line(value: Any) -> None:
    """One JSON value on one line of stdout."""
    ascii = sys.stdout.encoding.lower() != "utf-8"  # what cannot be written there is escaped as JSON has it
    print(json.dumps(plain(value), ensure_ascii=ascii, separators=(", ", ": ")))


class Warnings(logging.Handler):
    """The warnings of the engine's parts as lines for people; the daemon has a log instead."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        say(f"engine: {cell(record.getMessage())}")


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
