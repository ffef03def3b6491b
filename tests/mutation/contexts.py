"""A plugin of pytest that has coverage note which test executes a line, in the programs that it starts too.

What a fixture of wider scope executes belongs to the file of the test. `MUTATION_TIMES` names the file for
the seconds of each test that passed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator

import coverage
import pytest

CONTEXT = "MUTATION_CONTEXT"
_seconds: dict[str, float] = {}
_failed: set[str] = set()


def _enter(name: str) -> None:
    os.environ[CONTEXT] = name
    if measuring := coverage.Coverage.current():
        measuring.switch_context(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What happens now belongs to this test."""
    _enter(item.nodeid)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """What several tests share belongs to their file."""
    before = os.environ.get(CONTEXT, "")
    if fixturedef.scope != "function":
        _enter(before.partition("::")[0])
    try:
        return (yield)
    finally:
        _enter(before)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count its seconds, those of its fixtures too."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write them: a test that fails without any fault tells nothing."""
    with open(os.environ["MUTATION_TIMES"], "w") as file:
        json.dump({name: seconds for name, seconds in _seconds.items() if name not in _failed}, file)
