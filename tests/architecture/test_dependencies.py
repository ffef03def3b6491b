"""What the project depends on is declared once, justified and locked."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from engine.extras import remedy_for
from tests.architecture.source import PACKAGES, ROOT, imports, python_files
from tests.services.debian import PACKAGES as DEBIAN

DOCUMENT = (ROOT / "docs" / "dependencies.md").read_text()
EXTRA = {
    Path("engine/testing/contracts/backend.py"): {"pytest"},
    Path("engine/testing/contracts/storage.py"): {"pytest"},
    Path("wrappers/dirac_bridge/line.py"): {"DIRAC"},
    Path("wrappers/dirac_bridge/jobs.py"): {"DIRAC"},
    Path("wrappers/dirac_bridge/files.py"): {"DIRAC"},
}
"""What only an optional part needs (`testing` in pyproject.toml), or the Python of DIRAC has."""

IMPORTED_AS = {
    "azure-core": "azure",
    "diracx-client": "diracx",
    "jpype1": "jpype",
    "python-irodsclient": "irods",
    "python-ulid": "ulid",
    "pyyaml": "yaml",
    "xrootd": "XRootD",
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(section: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    optional = [one for name in extras if name not in ("all", "testing") for one in extras[name]]
    groups = {"run": project["project"]["dependencies"], "optional": optional, **project["dependency-groups"]}
    entries = groups[section]
    return {canonical(re.split(r"[^\w.-]", entry)[0]) for entry in entries}


def justified(heading: str) -> set[str]:
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.M)[1:]
    return {canonical(name) for cell in cells for name in cell.split(", ")}


def test_every_dependency_is_justified_and_nothing_else() -> None:
    assert justified("To run the engine") == declared("run")
    assert justified("To build and test") == declared("dev")
    assert justified("To make the site") == declared("docs")
    assert justified("To release") == declared("release")
    assert not [package for package in DEBIAN.values() if package not in DOCUMENT]


def test_what_is_optional_is_justified_and_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    every = project["optional-dependencies"]
    assert set(re.split(r"[\[\],]", every["all"][0])[1:-1]) == set(every) - {"all", "testing"}
    assert justified("For what is optional") == declared("optional")


def test_every_dependency_is_locked() -> None:
    locked = set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", (ROOT / "requirements.lock").read_text(), re.M))
    wanted = declared("run") | declared("dev") | declared("optional")
    assert wanted <= {canonical(name) for name in locked}


def test_a_module_of_an_extra_is_told_from_others() -> None:
    assert remedy_for("fastapi.routing") == "pip install 'boutiques-engine[portal]'"
    assert remedy_for("nonesuch") == ""
    named = {name for name in declared("optional") if remedy_for(IMPORTED_AS.get(name, name))}
    assert declared("optional") - named == {"h11"}  # of uvicorn, which is asked for first


def test_everything_that_is_imported_is_declared() -> None:
    known = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in declared("run") | declared("optional")}
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(*PACKAGES)
        for name, line in imports(path)
        if name.split(".")[0] not in known | set(PACKAGES) | sys.stdlib_module_names | EXTRA.get(path, set())
    ]
    assert not wrong, "\n".join(wrong)
