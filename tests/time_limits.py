"""Set-up has a time limit of its own: a service that starts late on a machine with other work is no slow
test, and takes no time from the test that asked first. The limit of a test is pytest-timeout's `timeout`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest
import pytest_timeout

SET_UP_S = 900.0
"""Seconds in which all that a test asks for is there, and as many in which it is put away."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """End a fixture that hangs."""
    with _limit(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """End the end of a fixture that hangs."""
    with _limit(item):
        yield


@contextmanager
def _limit(item: pytest.Item) -> Generator[None, None, None]:
    marked = [float(marker.args[0]) for marker in item.iter_markers("timeout")]
    seconds = max([SET_UP_S, *marked])
    settings = pytest_timeout.Settings(seconds, "signal", True, False)
    item.config.hook.pytest_timeout_set_timer(item=item, settings=settings)
    try:
        yield
    finally:
        item.config.hook.pytest_timeout_cancel_timer(item=item)
