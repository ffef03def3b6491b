"""Making a container of a 500 MB image: `cvmfs-deploy` beside `udocker create`, of layers that are fetched.

The image is made of this machine's own programs and libraries, in five layers. Ours includes what udocker
does not do: checking every layer, a sha256 of every file, and the record.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from cvmfs_deploy.create import create
from cvmfs_deploy.layers import Layers
from cvmfs_deploy.settings import Settings
from cvmfs_deploy.sources.registry import RegistrySource
from tests.bench.place import Place, median, place, row
from tests.services.images import push
from tests.services.registry import start_registry
from wrappers.containers.reference import parse
from wrappers.containers.registry import platform

SIZE, LAYERS, ROUNDS = 500_000_000, 5, 3
NAME = "bench/large:1"


def main() -> None:
    """Print the table's line."""
    with place(1) as here, start_registry(here.directory / "registry") as registry:
        push(registry.url, NAME, list(_layers()))
        udocker = _Udocker(here, registry.url)
        source = RegistrySource(Settings())
        image = source.resolve(parse(f"{registry.host}/{NAME}"), platform())
        ours: list[float] = []
        theirs: list[float] = []
        size = entries = 0
        cpu = {"ours": 0.0, "theirs": 0.0}
        with Layers(here.directory / "layers", 4) as layers:
            for layer in image.layers:
                layers.request(source, image, layer).result()
            for _ in range(ROUNDS):
                before = os.times()
                theirs.append(udocker.create())
                after = os.times()
                cpu["theirs"] += sum(after[2:4]) - sum(before[2:4])
                start, used = time.perf_counter(), time.process_time()
                made = here.directory / "made"
                record = create(source, image, platform(), layers, made, "now")
                ours.append(time.perf_counter() - start)
                cpu["ours"] += time.process_time() - used
                size, entries = record.size, record.entries
                shutil.rmtree(made)
        ratio = median([other / own for own, other in zip(ours, theirs, strict=True)])
        spent = cpu["theirs"] / cpu["ours"]
        print(
            f"      processor time: {cpu['ours'] / ROUNDS:.1f} s, udocker's is {spent:.1f} x that", flush=True
        )
        what = f"create {size / 1e6:.0f} MB, {entries} files: {median(ours):.1f} s"
        row(what, f"{ratio:.1f} x udocker's {median(theirs):.1f} s", ">= 2 x", ratio >= 2)


def _layers() -> Iterator[bytes]:
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
        self._containers = top / "containers"
        self._environment = {**here.environment, "UDOCKER_DIR": str(top), "UDOCKER_TARBALL": ""}
        self._run("pull", f"--registry={registry}", NAME)

    def create(self) -> float:
        """Seconds; the container is removed again."""
        start = time.perf_counter()
        self._run("create", NAME)
        elapsed = time.perf_counter() - start
        for container in self._containers.iterdir():
            shutil.rmtree(container)
        return elapsed

    def _run(self, *words: str) -> None:
        program = [str(Path(sys.executable).with_name("udocker")), "--quiet"]
        root = ["--allow-root"] if os.geteuid() == 0 else []
        ran = subprocess.run([*program, *root, *words], env=self._environment, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"udocker {' '.join(words)}: {ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
