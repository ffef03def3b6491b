"""The wheel works where the checkout is not: built, installed in an empty environment and used."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services import installed as services

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "wrappers", "cvmfs_deploy")

DESCRIPTOR = {
    "name": "say",
    "description": "Writes what it is told",
    "tool-version": "1",
    "schema-version": "0.5",
    "command-line": "echo [TEXT] > said.txt",
    "inputs": [{"id": "text", "name": "Text", "type": "String", "value-key": "[TEXT]"}],
    "output-files": [{"id": "said", "name": "What it said", "path-template": "said.txt"}],
}


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it depends on, and nothing else."""

    prefix: Path

    def run(
        self, program: str, *arguments: str, cwd: Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        environment = {**kept, "PATH": "/usr/local/bin:/usr/bin:/bin", **variables}
        command = [str(self.prefix / "bin" / program), *arguments]
        return subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )


@pytest.fixture(scope="session")
def wheel() -> Path:
    return services.wheel()


@pytest.fixture(scope="session")
def installed(wheel: Path) -> Installed:
    return Installed(services.ENVIRONMENT)


def shipped(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in files}


def test_the_wheel_holds_the_three_packages_and_the_configuration_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name and ".data/" not in name}
    wanted = {f"{package}/{name}" for package in PACKAGES for name in shipped(ROOT / package)}
    assert names == wanted | {f"engine/_config/{name}" for name in shipped(ROOT / "config")}


def test_the_wheel_holds_what_no_import_would_miss(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"engine/store/migrations/script.py.mako", "engine/_config/engine.example.yaml"} <= names
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_wheel_has_the_manual_pages_where_man_looks_for_them(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        data = {name.partition(".data/data/")[2] for name in archive.namelist() if ".data/" in name}
    assert data == {f"share/man/man1/{name}" for name in shipped(ROOT / "docs" / "man")}


@pytest.mark.service
def test_the_installed_program_explains_itself(installed: Installed, tmp_path: Path, home: Path) -> None:
    shown = installed.run("engine", "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "submit" in shown.stdout


@pytest.mark.service
def test_nothing_is_imported_from_the_checkout(installed: Installed, tmp_path: Path) -> None:
    program = "import engine, wrappers, cvmfs_deploy; print(engine.__file__, wrappers.__file__)"
    shown = installed.run("python", "-c", program, cwd=tmp_path)
    places = [Path(place) for place in shown.stdout.split()]
    assert [place.is_relative_to(installed.prefix) for place in places] == [True, True], shown
    assert installed.run("python", "-c", "import tests", cwd=tmp_path).returncode != 0


@pytest.mark.service
def test_the_installed_engine_finds_this_machine_in_order(
    installed: Installed, tmp_path: Path, home: Path
) -> None:
    told = installed.run("engine", "doctor", "--json", cwd=tmp_path)
    findings = [json.loads(line) for line in told.stdout.splitlines()]
    checks = {finding["check"] for finding in findings}
    assert {"Python", "database"} <= checks, told.stderr
    assert "isolation" not in checks  # of users that nobody serves: the extra `portal` is not there
    assert told.returncode in (0, 3)  # 3: a container runtime may be missing here


@pytest.mark.service
def test_the_installed_engine_runs_a_job(installed: Installed, tmp_path: Path, home: Path) -> None:
    (tmp_path / "descriptor.json").write_text(json.dumps(DESCRIPTOR))
    (tmp_path / "invocation.json").write_text('{"text": "hello"}')
    arguments = ("submit", "descriptor.json", "invocation.json", "--runtime", "none")
    done = installed.run("engine", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (written,) = (tmp_path / "results").rglob("said.txt")
    assert written.read_text() == "hello\n"


MOST_PACKAGES = 40
NOT_LOGGED_IN = {"ENGINE_BACKENDS__DIRACX__URL": "https://diracx.example.org"}
"""A grid, for which there is no credential: what is missing here is told before what is asked of the user."""


@pytest.mark.service
def test_the_basic_install_is_small(installed: Installed) -> None:
    known = {path.name.partition("-")[0] for path in installed.prefix.rglob("*.dist-info")}
    assert "boutiques_engine" in known
    assert len(known) <= MOST_PACKAGES, sorted(known)


@pytest.mark.service
@pytest.mark.parametrize(
    ("words", "variables", "extra"),
    [
        ("engine serve --http --until-idle", {}, "portal"),
        ("engine list", {"ENGINE_DATABASE": "postgresql+psycopg://engine@localhost/engine"}, "portal"),
        ("engine data ls s3://bucket/", {}, "s3"),
        ("cvmfs-deploy --to there add busybox:1.36 --docker", {}, "cvmfs"),
        ("engine submit contained.json invocation.json", {"ENGINE_BACKEND": "diracx"}, "diracx"),
    ],
)
def test_a_missing_extra_is_named(
    installed: Installed, tmp_path: Path, home: Path, words: str, variables: dict[str, str], extra: str
) -> None:
    image = {"type": "docker", "image": f"localhost:1/say@sha256:{'0' * 64}"}
    (tmp_path / "contained.json").write_text(json.dumps({**DESCRIPTOR, "container-image": image}))
    (tmp_path / "invocation.json").write_text('{"text": "hello"}')
    program, *arguments = words.split()
    told = installed.run(program, *arguments, cwd=tmp_path, **NOT_LOGGED_IN, **variables)
    assert (told.returncode, "Traceback" in told.stderr) == (2, False), told.stderr
    assert f"pip install 'boutiques-engine[{extra}]'" in told.stderr
