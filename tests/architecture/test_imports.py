"""Who may import whom: the arrow points at the poorest place that must run the code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.architecture.rules import EXCEPTIONS, MAY_IMPORT, PARTS
from tests.architecture.source import PACKAGES, ROOT, imports, python_files

STANDARD_LIBRARY_ONLY = (
    "wrappers",
    "engine/domain",
    "engine/errors.py",
    "engine/clock.py",
    "engine/ports.py",
)

ONLY_IN = {
    "boutiques": {Path("engine/planning/bosh.py")},
    # it travels with the job, inside the wrapper; and it pulls layers for CVMFS, in a process of its own
    "udocker": {Path("wrappers/runtimes/udocker_engine.py"), Path("cvmfs_deploy/sources/udocker_layer.py")},
    # it is found in the Python of a DIRAC client, where these run
    "DIRAC": {Path(f"wrappers/dirac_bridge/{name}.py") for name in ("line", "jobs", "files")},
}
"""Packages that are hidden behind one module."""


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def ours(name: str) -> bool:
    return name.split(".")[0] in PACKAGES


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_inwards(part: str) -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(part)
        for name, line in imports(path)
        if ours(name) and not within(name, MAY_IMPORT[part] | EXCEPTIONS.get(path, set()))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_part_is_named() -> None:
    parts = {path.relative_to(ROOT) for path in (ROOT / "engine").glob("[!_]*")}
    there = {str(path) for path in parts if path.suffix in ("", ".py")}
    assert {part for part in PARTS if part.startswith("engine/")} == there


@pytest.mark.parametrize("part", STANDARD_LIBRARY_ONLY)
def test_what_runs_everywhere_needs_only_the_standard_library(part: str) -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(part)
        for name, line in imports(path)
        if not ours(name)
        and name.split(".")[0] not in sys.stdlib_module_names
        and path not in ONLY_IN.get(name.split(".")[0], set())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_hidden_package_is_imported_by_one_module_alone(package: str) -> None:
    users = {path for path in python_files(*PACKAGES) for name, _ in imports(path) if within(name, {package})}
    assert users <= ONLY_IN[package]


def test_nothing_shipped_imports_what_stays_in_the_checkout() -> None:
    # an editable install puts the checkout on the path: such an import works here and fails elsewhere
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(*PACKAGES)
        for name, line in imports(path)
        if name.split(".")[0] in {"tests", "config", "docs"}
    ]
    assert not wrong, "\n".join(wrong)


def test_of_what_tests_need_only_what_others_test_with_is_shipped() -> None:
    shipped = {path.relative_to("engine/testing").parts[0] for path in python_files("engine/testing")}
    assert shipped == {"__init__.py", "clock.py", "contracts", "faults.py"}


@pytest.mark.parametrize(
    "part", [*MAY_IMPORT, *(str(path) for only in ONLY_IN.values() for path in sorted(only))]
)
def test_every_rule_is_about_files_that_exist(part: str) -> None:
    assert python_files(part) != []


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("import a.b\ndef f():\n    from c import d as e\nfrom . import g\nfrom .h import i\n")
    found = {name for name, _ in imports(file)}
    package = ".".join(file.parent.parts)
    assert found == {"a.b", "c.d", f"{package}.g", f"{package}.h.i"}
