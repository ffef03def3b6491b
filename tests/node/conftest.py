"""The built wrapper, and hands to use it: the tests run what travels to the nodes, not our own imports."""

from __future__ import annotations

import glob
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from wrappers import build, wire

_numbers = itertools.count()


@cache
def pythons() -> list[Path]:
    """Every Python from 3.6 on that this machine has: on PATH, and where pyenv keeps them."""
    places = [Path(place) for place in os.environ.get("PATH", "").split(":") if place]
    pyenv = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    places += map(Path, sorted(glob.glob(f"{pyenv}/versions/3.*/bin")))
    found: dict[str, Path] = {}
    asked: set[Path] = set()
    for place in places:
        for path in map(Path, sorted(glob.glob(f"{place}/python3.*"))):
            program, is_named = path.resolve(), path.name.removeprefix("python3.").isdigit()
            if is_named and os.access(path, os.X_OK) and program not in asked:
                asked.add(program)
                said = subprocess.run(
                    [path, "-I", "-S", "-c", "import sys; print(sys.version_info >= (3, 6), sys.version)"],
                    capture_output=True,
                    text=True,
                )
                if said.returncode == 0 and said.stdout.startswith("True"):
                    found.setdefault(said.stdout, path)
    return list(found.values())


@pytest.fixture(scope="session")
def wrapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, as it is shipped."""
    target = tmp_path_factory.mktemp("wrapper") / "wrapper.pyz"
    build.build(target)
    return target


@dataclass
class Site:
    """A node to run attempts on: directories, and the wrapper's command line."""

    root: Path
    wrapper: Path
    python: Path = Path(sys.executable)
    node: wire.Node = field(default_factory=lambda: wire.Node(runtimes=["none"]))
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def into(self) -> Path:
        """Where reports and logs are written."""
        return self.root / "into"

    @property
    def results(self) -> Path:
        """Where every attempt of `manifest` delivers, each in its own directory."""
        return self.root / "results"

    def manifest(self, command: str, **given: Any) -> wire.Manifest:
        """An attempt of this command on the bare node, delivering under `results`."""
        attempt = given.pop("attempt", f"attempt-{next(_numbers)}")
        to = given.pop("outputs_to", (self.results / attempt).as_uri())
        runtimes = given.pop("runtimes", ["none"])
        return wire.Manifest(attempt, "job", "execution", command, to, runtimes=runtimes, **given)

    def command(self, manifests: Sequence[wire.Manifest], *more: str) -> list[str]:
        """The command line that carries these out."""
        orders = self.root / "manifests.jsonl"
        orders.write_text("".join(wire.dumps(manifest) + "\n" for manifest in manifests))
        (self.root / "node.json").write_text(wire.dumps(self.node))
        python = [str(self.python), "-I", "-S", str(self.wrapper)]
        given = ["--manifests", str(orders), "--node", str(self.root / "node.json"), "--into", str(self.into)]
        return [*python, "run", *given, *more]

    def start(self, *manifests: wire.Manifest) -> subprocess.Popen[bytes]:
        """Start carrying them out."""
        return subprocess.Popen(self.command(manifests), env=self.environment)

    def run(self, *manifests: wire.Manifest) -> list[wire.Report]:
        """Carry them out and read their reports."""
        subprocess.run(self.command(manifests), env=self.environment, check=True, timeout=120)
        return [self.report(manifest) for manifest in manifests]

    def one(self, command: str, **given: Any) -> wire.Report:
        """Carry out one command."""
        return self.run(self.manifest(command, **given))[0]

    def report(self, manifest: wire.Manifest) -> wire.Report:
        """What was told of an attempt."""
        return wire.loads(wire.Report, (self.into / f"{manifest.attempt}.report.json").read_bytes())

    def log(self, report: wire.Report, name: str = "out") -> str:
        """What the tool wrote."""
        return (self.into / f"{report.attempt}.{name}").read_text(errors="surrogateescape")

    def leftovers(self) -> list[str]:
        """What the wrapper left beside reports and logs."""
        endings = (".report.json", ".out", ".err")
        return sorted(path.name for path in self.into.iterdir() if not path.name.endswith(endings))


@pytest.fixture
def site(tmp_path: Path, wrapper: Path) -> Iterator[Site]:
    """A place of one's own; what a test made unreadable is removed all the same."""
    yield Site(tmp_path, wrapper)
    for directory, _, _ in os.walk(tmp_path):
        os.chmod(directory, 0o700)


def outputs(**paths: str) -> list[wire.Output]:
    """Required outputs, by their ids."""
    return [wire.Output(name, path) for name, path in paths.items()]


def file_input(path: Path, name: str | None = None, **given: Any) -> wire.Input:
    """An input that lies on this machine."""
    return wire.Input("in", path.as_uri(), name or path.name, **given)


def small_disk(size: str) -> list[str]:
    """The beginning of a command that runs the rest with a full-size tmpfs on the directory after it.

    `[*small_disk("1m"), directory, *command]`: a real file system that really fills up.
    """
    script = f'mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"'
    namespaces = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    if shutil.which("unshare") is None:
        pytest.skip("needs util-linux's unshare")
    return [*namespaces, "sh", "-c", script, "sh"]


def as_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())
