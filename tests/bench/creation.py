"""Making a container of a 500 MB image: `cvmfs-deploy` beside `udocker create`, of layers that are fetched.

The image is made of this machine's own programs and libraries, in five layers. Ours includes what udocker
does not do: checking every layer, a sha256 of every file, and the record. The two take turns, each twice
first, and nothing is removed before the end: for minutes after files are gone, ext4 looks at each of their
inodes whenever it makes one, which would cost both of them seconds (measured: 0.5 ms for a file).
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cvmfs_deploy.create import ContainerRecord, create
from cvmfs_deploy.layers import Layers
from cvmfs_deploy.settings import DeploySettings
from cvmfs_deploy.sources.registry import RegistrySource
from tests.bench.figures import row
from tests.bench.place import Place, median, place
from tests.services.images import push
from tests.services.registry import start_registry
from wrappers.containers.platforms import platform
from wrappers.containers.reference import parse

SIZE, LAYERS, ROUNDS = 500_000_000, 5, 4
NAME = "bench/large:1"


def main() -> None:
    """Print the table's line."""
    with place(1) as here, start_registry(here.directory / "registry") as registry:
        push(registry.url, NAME, list(layers_of_files()))
        udocker = _Udocker(here, registry.url)
        source = RegistrySource(DeploySettings())
        image = source.resolve(parse(f"{registry.host}/{NAME}"), platform())
        ours: list[_Spent] = []
        theirs: list[_Spent] = []
        made: list[ContainerRecord] = []
        with Layers(here.directory / "layers", 4) as layers:
            for layer in image.layers:
                layers.request(source, image, layer).result()

            def create_ours() -> None:
                into = here.directory / f"made-{len(made)}"
                made.append(create(source, image, platform(), layers, into, "now").record)

            for number in range(ROUNDS):
                turns = [(theirs, udocker.create), (ours, create_ours)]
                for spent, turn in turns if number % 2 else turns[::-1]:
                    spent.append(_timed(turn))
        pairs = list(zip(ours, theirs, strict=True))
        for own, other in pairs:
            print(
                f"      ours {own.wall:.1f} s, {own.processor:.1f} s of processor; "
                f"udocker's {other.wall:.1f} s, {other.processor:.1f} s",
                flush=True,
            )
        ratio = median([other.wall / own.wall for own, other in pairs])
        work = median([other.processor / own.processor for own, other in pairs])
        seconds, peer = median([own.wall for own in ours]), median([other.wall for other in theirs])
        what = f"create {made[0].size / 1e6:.0f} MB, {made[0].entries} files"
        row(f"{what}: {seconds:.1f} s", f"{ratio:.1f} x udocker's {peer:.1f} s", ">= 2 x", ratio >= 2)
        row(f"{what}: time of the processor", f"{work:.1f} x less", ">= 2 x", work >= 2)


class _Spent(NamedTuple):
    wall: float
    processor: float
    """Seconds of this process and of those that it waited for."""


def _timed(turn: Callable[[], None]) -> _Spent:
    start, before = time.perf_counter(), os.times()
    turn()
    after = os.times()
    return _Spent(time.perf_counter() - start, sum(after[:4]) - sum(before[:4]))


def layers_of_files() -> Iterator[bytes]:
    """Real files, in layers of equal size."""
    files = _files()
    for _ in range(LAYERS):
        buffer = io.BytesIO()
        size = 0
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            while size < SIZE // LAYERS:
                path = next(files)
                tar.add(path, str(path).lstrip("/"), recursive=False)
                size += path.stat().st_size
        yield buffer.getvalue()


def _files() -> Iterator[Path]:
    for top in ("/usr/lib", "/usr/share", "/usr/bin", str(Path(sys.prefix).resolve())):
        for directory, _, names in os.walk(top):
            for path in (Path(directory, name) for name in sorted(names)):
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 50_000_000:
                    yield path


class _Udocker:
    """The stock program, with the image pulled."""

    def __init__(self, here: Place, registry: str) -> None:
        top = here.directory / "udocker"
        self._environment = {**here.environment, "UDOCKER_DIR": str(top), "UDOCKER_TARBALL": ""}
        self._run("pull", f"--registry={registry}", NAME)

    def create(self) -> None:
        """One more container."""
        self._run("create", NAME)

    def _run(self, *words: str) -> None:
        program = [str(Path(sys.executable).with_name("udocker")), "--quiet"]
        root = ["--allow-root"] if os.geteuid() == 0 else []
        ran = subprocess.run([*program, *root, *words], env=self._environment, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"udocker {' '.join(words)}: {ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
