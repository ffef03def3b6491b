"""The log: one line a step, a sentence and then keys and values, for people and for `grep`."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from pathlib import Path
from typing import TextIO

from engine.errors import BadRequest

_LOG = logging.getLogger("cvmfs_deploy")


def info(what: str, **fields: object) -> None:
    """Something was done."""
    _LOG.info("%s", _text(what, fields))


def warning(what: str, **fields: object) -> None:
    """Something to look at."""
    _LOG.warning("%s", _text(what, fields))


def error(what: str, **fields: object) -> None:
    """Something was not done."""
    _LOG.error("%s", _text(what, fields))


def configure(quiet: bool, file: str, stream: TextIO | None = None) -> None:
    """Log to stderr (`quiet`: only warnings), and to a file when one is named.

    Raises:
        BadRequest: the file cannot be written.
    """
    shown = logging.StreamHandler(stream or sys.stderr)
    shown.setLevel(logging.WARNING if quiet else logging.INFO)
    handlers: list[logging.Handler] = [shown]
    if file:
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        except OSError as problem:
            raise BadRequest(f"setting log: {file} cannot be written: {problem.strerror}") from None
    form = logging.Formatter("%(asctime)sZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    for handler in handlers:
        handler.setFormatter(form)
    _LOG.handlers[:] = handlers
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False


def _text(what: str, fields: dict[str, object]) -> str:
    words = [what, *(f"{key}={_quoted(str(value))}" for key, value in fields.items())]
    return "  ".join([words[0], " ".join(words[1:])]).rstrip()


def _quoted(value: str) -> str:
    plain = value if value.isprintable() else ascii(value)
    return plain if plain and not set(plain) & set(" \"'=") else shlex.quote(plain)
