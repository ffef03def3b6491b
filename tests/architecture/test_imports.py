"""Who may import whom: the arrow points at the poorest place that must run the code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, imports, python_files

SHARED = {
    "engine.__version__",
    "engine.errors",
    "engine.clock",
    "engine.ids",
    "engine.usecases",
    "wrappers.wire",
    "wrappers.causes",
    "wrappers.containers",
}
"""Words that every part of the engine speaks."""

CORE = {"engine.domain", "engine.ports"}

TRANSFER_WORDS = {
    "wrappers.transfer.checksums",
    "wrappers.transfer.digest",
    "wrappers.transfer.errors",
    "wrappers.transfer.redact",
    "wrappers.transfer.source",
    "wrappers.transfer.tree",
}
"""What nodes and engine must do alike: sum bytes, read checksums, cut secrets, pack directories."""

MAY_IMPORT = {
    "wrappers": {"wrappers"},
    # the publication tool runs without an engine: it shares the words for failures, and how images are pulled
    "cvmfs_deploy": {
        "cvmfs_deploy",
        "engine.__version__",
        "engine.errors",
        "engine.clock",
        "engine.terminal",
        "wrappers.containers",
    },
    "engine/terminal.py": {"engine.errors", "engine.xdg"},
    "engine/xdg.py": set(),
    # a back-end's class says what its section of the settings holds
    "engine/settings": {"engine.settings", "engine.plugins", "engine.xdg", "engine.errors", "engine.ports"},
    "engine/errors.py": set(),
    "engine/clock.py": set(),
    "engine/ids.py": set(),
    "engine/usecases.py": {"engine.domain", "engine.errors"},
    "engine/ports.py": {"engine.domain", *SHARED},
    "engine/domain": {"engine.domain", *(SHARED - {"engine.ids"})},
    "engine/planning": {"engine.planning", "engine.domain", *SHARED},
    "engine/store": {"engine.store", "engine.domain", *SHARED},
    "engine/reconcile": {"engine.reconcile", "engine.store", *CORE, *SHARED},
    "engine/dirac": {"engine.dirac", "engine.settings.dirac", "wrappers.dirac_bridge", *CORE, *SHARED},
    "engine/backends": {
        "engine.backends",
        "engine.dirac",
        "engine.settings",
        "engine.xdg",
        "wrappers.build",
        *CORE,
        *SHARED,
    },
    "engine/app": {
        "engine.app",
        "engine.settings",
        "engine.planning",
        "engine.reconcile",
        "engine.store",
        "engine.xdg",
        *TRANSFER_WORDS,
        *CORE,
        *SHARED,
    },
    "engine/api": {
        "engine.api",
        "engine.app",
        "engine.reconcile.context",
        "engine.settings",
        "engine.store",
        *TRANSFER_WORDS,
        *CORE,
        *SHARED,
    },
    "engine/vip": {
        "engine.vip",
        "engine.app",
        "engine.log",
        "engine.planning.vip_keys",
        "engine.reconcile.layout",
        "engine.settings",
        "engine.store",
        "engine.wiring",
        "engine.xdg",
        "wrappers.transfer.redact",
        *CORE,
        *SHARED,
    },
    "engine/cli": {
        "engine.cli",
        "engine.client",
        "engine.app",
        "engine.log",
        "engine.planning",  # expanding and linting need no engine
        "engine.settings",
        "engine.terminal",
        "engine.wiring",
        "engine.xdg",
        "engine.domain",
        *SHARED,
    },
    "engine/client": {"engine.client", "engine.domain.job", *SHARED},
    "engine/storages": {"engine.storages", "engine.dirac", "wrappers.transfer", *CORE, *SHARED},
}
"""For each part, the prefixes of our own modules that it may import; what is not here may import all."""

EXCEPTIONS = {
    # on this machine the engine starts the serving wrapper itself and meets it in a directory
    Path("engine/backends/local.py"): {"wrappers.serve", "wrappers.node.files"},
    # it says how far the tables of another portal are
    Path("engine/cli/doctor.py"): {"engine.vip.plug"},
    # it starts and stops what answers over HTTP, and tries this machine out
    Path("engine/cli/serve.py"): {"engine.api.parts", "engine.vip.plug", "wrappers.runtimes.choose"},
    # commands close themselves to others of their account
    Path("engine/cli/session.py"): {"wrappers.prctl"},
    Path("engine/vip/__main__.py"): {"wrappers.prctl"},
    # what nodes speak decides what may be submitted
    Path("engine/app/access/node_files.py"): {"wrappers.transfer.schemes"},
    # it looks at this machine with the eyes of a job
    Path("engine/app/health/doctor.py"): {"wrappers.node.probe"},
    Path("engine/app/health/isolation.py"): {"wrappers.runtimes.support"},
}

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
