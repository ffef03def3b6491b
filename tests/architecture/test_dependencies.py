"""What the project depends on is declared once, justified and locked."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from tests.architecture.source import PACKAGES, ROOT, imports, python_files
from tests.services.debian import PACKAGES as DEBIAN

DOCUMENT = (ROOT / "docs" / "dependencies.md").read_text()
EXTRA = {
    Path("engine/storages/s3.py"): {"obstore"},
    Path("engine/vip/h2.py"): {"jpype"},
    Path("engine/testing/contracts/backend.py"): {"pytest"},
    Path("engine/testing/contracts/storage.py"): {"pytest"},
    Path("wrappers/dirac_bridge/line.py"): {"DIRAC"},
    Path("wrappers/dirac_bridge/jobs.py"): {"DIRAC"},
    Path("wrappers/dirac_bridge/files.py"): {"DIRAC"},
}
"""What only an optional part needs (`testing` in pyproject.toml), or the Python of DIRAC has."""

IMPORTED_AS = {"pyyaml": "yaml", "python-ulid": "ulid", "diracx-client": "diracx", "azure-core": "azure"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(section: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    entries = (
        project["project"]["dependencies"] if section == "run" else project["dependency-groups"][section]
    )
    return {canonical(re.split(r"[^\w.-]", entry)[0]) for entry in entries}


def justified(heading: str) -> set[str]:
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.M)[1:]
    return {canonical(name) for cell in cells for name in cell.split(", ")}


def test_every_dependency_is_justified_and_nothing_else() -> None:
    assert justified("To run the engine") == declared("run")
    assert justified("To build and test") == declared("dev")
    assert justified("To make the site") == declared("docs")
    assert not [package for package in DEBIAN.values() if package not in DOCUMENT]


def test_what_is_optional_is_justified_and_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        one for name, group in project["optional-dependencies"].items() if name != "testing" for one in group
    ]
    names = {canonical(re.split(r"[^\w.-]", one)[0]) for one in extras}
    assert justified("For what is optional") == names
    assert names <= declared("dev")


def test_every_dependency_is_locked() -> None:
    locked = set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", (ROOT / "requirements.lock").read_text(), re.M))
    assert declared("run") | declared("dev") <= {canonical(name) for name in locked}


def test_everything_that_is_imported_is_declared() -> None:
    known = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in declared("run")}
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(*PACKAGES)
        for name, line in imports(path)
        if name.split(".")[0] not in known | set(PACKAGES) | sys.stdlib_module_names | EXTRA.get(path, set())
    ]
    assert not wrong, "\n".join(wrong)
