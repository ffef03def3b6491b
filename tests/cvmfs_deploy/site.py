"""A place where images are published, and its administrator: the real command line in own processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.desk import Ran, ended
from tests.services import preloaded
from tests.services.cvmfs import NAME, Cvmfs
from tests.services.images import add
from wrappers.containers import cvmfs
from wrappers.containers.reference import parse

ROOT = "vip/udocker/containers"


@dataclass(frozen=True)
class Site:
    """A directory or a CVMFS repository, with settings of its own."""

    home: Path
    to: str
    top: Path
    """Where what is published can be read."""
    cvmfs: Cvmfs | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    become: Sequence[str] = ()
    """Put before a command, to run it as another user."""

    @property
    def containers(self) -> Path:
        return self.top / ROOT

    @property
    def work(self) -> Path:
        return self.home / "state"

    @property
    def index(self) -> Any:
        """The index, parsed; empty when there is none."""
        file = self.containers / ".store/index.json"
        return json.loads(file.read_text()) if file.exists() else {"images": {}, "names": {}}

    def configure(self, **settings: Any) -> None:
        """Write the settings file."""
        section = {"cvmfs": {**self.cvmfs.settings, **settings.pop("cvmfs", {})}} if self.cvmfs else {}
        known = {"to": self.to, "work": str(self.work), "wait": "1s", **section, **settings}
        (self.home / "config.yaml").write_text(json.dumps(known))

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Begin `cvmfs-deploy WORDS`."""
        command = [preloaded.CVMFS_DEPLOY, "--config", self.home / "config.yaml", *words]
        before = [*self.become, *options.pop("before", [])]
        return preloaded.start(
            [*before, *(os.fspath(word) for word in command)],
            **{
                "cwd": self.home,
                "env": {**os.environ, "HOME": str(self.home), **self.environment},
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **options,
            },
        )

    def run(self, *words: str | Path, **options: Any) -> Ran:
        """`cvmfs-deploy WORDS` to its end."""
        ran = ended(self.start(*words, **options))
        assert "Traceback" not in ran.err, ran.err
        return ran

    def ok(self, *words: str | Path) -> Ran:
        """`cvmfs-deploy WORDS`, which must succeed."""
        ran = self.run(*words)
        assert ran.code == 0, ran
        return ran

    def container(self, reference: str) -> Path:
        """Where the name of an image leads."""
        return (self.containers / cvmfs.name_for(parse(reference))).resolve()

    def seen(self) -> dict[str, str]:
        """Everything that readers can see: each path with its kind and size, or where it leads."""
        found = {}
        for directory, names, files in os.walk(self.top):
            names[:] = [name for name in names if name != ".staging"]
            for name in [*names, *files]:
                path = Path(directory, name)
                about = path.lstat()
                kind = os.readlink(path) if path.is_symlink() else f"{about.st_mode:o} {about.st_size}"
                if name != ".lock" and not path.is_dir():
                    found[str(path.relative_to(self.top))] = kind
        return found

    def wishes(self, *images: Any, name: str = "nightly", **more: Any) -> Path:
        """Write a wish-list."""
        path = self.home / f"{name}.yaml"
        path.write_text(json.dumps({"images": list(images), **more}))
        return path

    def transactions(self) -> int:
        """How many were opened so far; of a directory, nobody counts them."""
        assert self.cvmfs is not None
        return sum(line.startswith("transaction") for line in self.cvmfs.calls())


def directory_site(home: Path) -> Site:
    """A shared directory."""
    site = Site(home, str(home / "published"), home / "published")
    site.configure()
    return site


def cvmfs_site(home: Path, running: Cvmfs) -> Site:
    """A CVMFS repository, by the stand-in for `cvmfs_server`."""
    site = Site(home, f"cvmfs:{NAME}", running.mount, running)
    site.configure()
    return site


Entries = Callable[[tarfile.TarFile], object]


def layer(files: Mapping[str, str | bytes] | None = None, *entries: Entries) -> bytes:
    """A small layer, uncompressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (files or {}).items():
            add(tar, name, content)
        for entry in entries:
            entry(tar)
    return buffer.getvalue()


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller, always the same."""
    import random

    return random.Random(seed).randbytes(size)


def failures(ran: Ran) -> Sequence[str]:
    """What a command with --json says went wrong."""
    return [one["reason"] for one in ran.value["failures"]]
