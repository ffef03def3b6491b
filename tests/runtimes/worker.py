"""Where jobs run in these tests: as root and as an ordinary user, from a copy of the node's code."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.services.proot import proot_for_tests
from tests.services.unprivileged import NOBODY
from wrappers import wire

HERE = Path(__file__).resolve().parent
_numbers = count()


@dataclass(frozen=True)
class Result:
    """How a job ended."""

    place: Path
    told: Mapping[str, Any]

    @property
    def code(self) -> int | None:
        assert "error" not in self.told, self.told
        return self.told["code"] if self.told["signal"] is None else None

    @property
    def signal(self) -> int | None:
        assert "error" not in self.told, self.told
        return self.told["signal"]  # type: ignore[no-any-return]

    @property
    def out(self) -> str:
        assert "error" not in self.told, self.told
        return (self.place / "out").read_text()

    @property
    def err(self) -> str:
        assert "error" not in self.told, self.told
        return (self.place / "err").read_text()

    @property
    def used(self) -> wire.RuntimeUsed:
        return wire.from_json(wire.RuntimeUsed, self.told["used"])

    @property
    def job(self) -> Path:
        return self.place / "job"


@dataclass(frozen=True)
class Worker:
    """A user with a copy of the node's code, and a cache of images."""

    directory: Path
    uid: int
    python: str
    program: str = "one_job.py"
    become: tuple[str, ...] = ()
    """Another way than the usual to run as the user."""

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def proot(self) -> str:
        return str(self.directory / "code" / "proot")

    def node(self, **settings: Any) -> wire.Node:
        return wire.Node(cache=str(self.cache), proot=self.proot)._replace(**settings)

    def run(self, image: wire.Image | None, command: str, **options: Any) -> Result:
        """Run a job to its end. Options are those of `start`, and fields of the manifest."""
        place, process = self.start(image, command, **options)
        _, err = process.communicate()
        assert process.returncode == 0, err.decode()
        return Result(place, json.loads((place / "result.json").read_text()))

    def start(
        self,
        image: wire.Image | None,
        command: str,
        *,
        node: wire.Node | None = None,
        inputs: Mapping[str, bytes] | None = None,
        name: str = "",
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[Path, subprocess.Popen[bytes]]:
        """Start a job; its wrapper leads a session of its own."""
        place = self.directory / (name or f"job-{next(_numbers)}")
        (place / "job").mkdir(parents=True)
        for path, content in (inputs or {}).items():
            (place / "job" / path).write_bytes(content)
        self.give(place)
        manifest = wire.Manifest(
            attempt=f"attempt-{place.name}", job="j", execution="e", command=command, outputs_to="file:///"
        )
        manifest = manifest._replace(image=image, environment=dict(environment or {}), **options)
        request = {
            "directory": str(place),
            "manifest": wire.to_json(manifest),
            "node": wire.to_json(node or self.node()),
        }
        argv = self.command([self.python, self.program, json.dumps(request)])
        surroundings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "HOST_SECRET": "of the wrapper",
            **{key: os.environ[key] for key in ("DOCKER_HOST",) if key in os.environ},
        }
        process = subprocess.Popen(
            argv,
            cwd=self.directory / "code",
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return place, process

    def command(self, argv: Sequence[str]) -> list[str]:
        """`argv` as this user."""
        return [*self.become, *argv] if self.become else _as_user(self.uid, argv)

    def give(self, path: Path) -> None:
        if self.uid != os.geteuid():
            subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", path], check=True)


@contextmanager
def worker(user: str, python: str = "") -> Iterator[Worker]:
    """A node account for `user`: "root" (ourselves) or "nobody"."""
    directory = Path(tempfile.mkdtemp(prefix="engine-worker-"))
    directory.chmod(0o755)
    uid = NOBODY if user == "nobody" and os.geteuid() == 0 else os.geteuid()
    code = directory / "code"
    shutil.copytree(
        HERE.parents[1] / "wrappers", code / "wrappers", ignore=shutil.ignore_patterns("__pycache__")
    )
    udocker = importlib.util.find_spec("udocker")
    assert udocker is not None
    assert udocker.submodule_search_locations
    shutil.copytree(udocker.submodule_search_locations[0], code / "udocker")
    shutil.copy(HERE / "one_job.py", code)
    proot_for_tests(code)
    made = Worker(directory, uid, python or _python(uid))
    made.give(directory)
    try:
        yield made
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", directory], stderr=subprocess.DEVNULL)
        shutil.rmtree(directory)


def _as_user(uid: int, argv: Sequence[str]) -> list[str]:
    if uid == os.geteuid():
        return list(argv)
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", *argv]


def _python(uid: int) -> str:
    """A Python that the user can run: ours may lie in a home directory that is closed."""
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        if subprocess.run(_as_user(uid, [python, "-c", ""]), stderr=subprocess.DEVNULL).returncode == 0:
            return python
    raise RuntimeError("no Python for an ordinary user: type `sudo apt-get install python3`")
