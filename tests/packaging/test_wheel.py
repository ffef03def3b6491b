"""The wheel works where the checkout is not: built, installed in an empty environment and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "wrappers", "cvmfs_deploy")

pytestmark = pytest.mark.xdist_group("wheel")  # one installation serves all


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it depends on, and nothing else."""

    prefix: Path

    def run(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        environment = {**kept, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        command = [str(self.prefix / "bin" / program), *arguments]
        return subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    directory = tmp_path_factory.mktemp("installed")
    constraints = directory / "constraints.txt"
    # versions only: pip wants the hash of every package or of none, and the wheel just built has none
    constraints.write_text("\n".join(re.findall(r"^[^\s#]+==\S+(?: ; [^\\\n]+)?", _lock(), re.M)))
    _run([sys.executable, "-m", "venv", directory / "venv"])
    pip: list[str | Path] = [directory / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "-qq"]
    _run([*pip, "install", "--only-binary=:all:", "-c", constraints, wheel])
    return Installed(directory / "venv")


def _lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run(command, check=True, cwd="/", stdin=subprocess.DEVNULL)


def shipped(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in files}


def test_the_wheel_holds_the_three_packages_and_the_configuration_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {f"{package}/{name}" for package in PACKAGES for name in shipped(ROOT / package)}
    assert names == wanted | {f"engine/_config/{name}" for name in shipped(ROOT / "config")}


def test_the_wheel_holds_what_no_import_would_miss(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"wrappers/launch.sh", "engine/_config/engine.example.yaml"} <= names
    assert [name for name in names if name.endswith("licenses/LICENSE")]


@pytest.mark.service
def test_the_installed_program_explains_itself(installed: Installed, tmp_path: Path, home: Path) -> None:
    shown = installed.run("engine", "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "submit" in shown.stdout


@pytest.mark.service
def test_nothing_is_imported_from_the_checkout(installed: Installed, tmp_path: Path) -> None:
    program = "import engine, wrappers, cvmfs_deploy; print(engine.__file__, wrappers.__file__)"
    shown = installed.run("python", "-c", program, cwd=tmp_path)
    assert all(Path(place).is_relative_to(installed.prefix) for place in shown.stdout.split())
    assert installed.run("python", "-c", "import tests", cwd=tmp_path).returncode != 0
