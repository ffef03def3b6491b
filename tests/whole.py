"""A test that runs our programs has the mark `whole`; all others are quick, and are what `make check` runs.

There is no list of such tests: one without the mark that starts a program of ours fails.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

MARKS = ("whole", "service", "long", "storage_grid", "dirac_grid")
"""With any of these a test is not part of `make check`."""
PROGRAMS = distribution("boutiques-engine").entry_points.select(group="console_scripts").names

_running: tuple[str, int] | None = None
"""The test without a mark that runs now, and its thread: servers of other tests have their own."""


def is_ours(words: Sequence[str | bytes | os.PathLike[str]]) -> bool:
    """Whether a command runs a program of ours, itself or by another; the shipped wrapper is one."""
    paths = [Path(os.fsdecode(word)) for word in words]
    return any(path.name in PROGRAMS or path.suffix == ".pyz" for path in paths)


def _starts(event: str, values: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and _running is not None and _running[1] == threading.get_ident():
        words = [values[1]] if isinstance(values[1], str | bytes | os.PathLike) else values[1]
        if is_ours(words):
            pytest.fail(f"{_running[0]} runs {os.fsdecode(words[0])}: it needs the mark `whole`")


sys.addaudithook(_starts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a test without a mark, from its set-up on."""
    global _running
    if not any(item.get_closest_marker(mark) for mark in MARKS):
        _running = item.nodeid, threading.get_ident()
    try:
        return (yield)
    finally:
        _running = None
