"""The parts of the code that are sampled, and the tests that are asked about each."""

from __future__ import annotations

from typing import NamedTuple


class Area(NamedTuple):
    """A part of the code."""

    code: tuple[str, ...]
    tests: tuple[str, ...]
    """Where its tests are: files and directories. What other tests would notice is not counted."""


AREAS = {
    "domain": Area(("engine/domain",), ("tests/domain", "tests/rounds", "tests/store", "tests/app")),
    "planning": Area(("engine/planning",), ("tests/planning", "tests/app")),
    "store": Area(("engine/store",), ("tests/store", "tests/rounds", "tests/api", "tests/app")),
    "reconcile": Area(("engine/reconcile",), ("tests/rounds", "tests/reconcile")),
    "node": Area(("wrappers/node",), ("tests/node", "tests/transfer/test_attempts.py")),
    "images": Area(("wrappers/containers", "wrappers/runtimes"), ("tests/containers", "tests/runtimes")),
    "cvmfs_deploy": Area(("cvmfs_deploy",), ("tests/cvmfs_deploy",)),
    "api": Area(("engine/api",), ("tests/api", "tests/portal", "tests/budgets")),
}
LEFT_OUT = ("engine/store/migrations/", "engine/store/schema.py")
"""Tables and their history, which other tests compare as a whole."""
EXCLUDED = "not long and not storage_grid and not dirac_grid"
"""The marks of tests that take minutes."""
