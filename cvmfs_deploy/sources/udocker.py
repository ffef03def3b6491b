"""Layers pulled by udocker itself, and believed only when they are what their digest says.

udocker 1.3.17 does not check what it fetches, does not take up what was cut, and writes each layer under a
name that two pulls would share. So it is given one layer at a time, in a directory of its own, and what it
brings is checked here. What it cannot bring, our own client does: see `sources.registry`.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wrappers.containers.blobs import Blob
from wrappers.containers.tree import remove

DIRECTORY = "udocker"
"""The directory, beside the layers, where it works."""
_CHUNK = 1 << 20
_POLL_INTERVAL_S = 0.2  # seconds between two looks at how much has come


def fetch(base: str, repository: str, blob: Blob, into: Path, progress: Callable[[int], None]) -> str:
    """Let udocker fetch a layer into an empty file. Returns why it did not; "" when the file is the layer.

    `base` is the address of the registry; `progress` is called with the bytes that came, and may raise to
    end it.
    """
    directory = into.parent / DIRECTORY / into.name
    remove(directory)  # of a run that was killed
    directory.mkdir(parents=True)
    layer = directory / "layers" / blob.digest
    try:
        with _started(base, repository, blob.digest, directory) as process:
            while _runs(process):
                progress(_size(layer.with_name(layer.name + ".tmp")))
        if process.returncode:
            return _output(directory) or f"udocker ended with exit code {process.returncode}"
        return _copy_checked(layer, blob, into)
    except OSError as error:
        if isinstance(error, InterruptedError):
            raise
        return str(error)
    finally:
        remove(directory)


@contextmanager
def _started(base: str, repository: str, digest: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """udocker at work; it has ended after the block, with all that it started."""
    command = [sys.executable, "-P", "-m", "cvmfs_deploy.sources.udocker_layer"]
    # an administrator's variables for udocker are about containers that are run
    usual = {name: value for name, value in os.environ.items() if not name.startswith("UDOCKER_")}
    with open(directory / "said", "wb") as said:
        process = subprocess.Popen(
            [*command, base, repository, digest, str(directory)],
            cwd="/",
            env={**usual, **_direct(), "UDOCKER_DIR": str(directory), "UDOCKER_TMP": str(directory)},
            stdin=subprocess.PIPE,  # it ends with us: see `udocker_layer`
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _direct() -> dict[str, str]:
    """Whom `curl` is to ask without a proxy: this machine, as everywhere in this program."""
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    return {"no_proxy": ",".join(filter(None, [named, "localhost,127.0.0.1,::1"]))}


def _copy_checked(layer: Path, blob: Blob, into: Path) -> str:
    """Copy and check at once. Copied, since `into` is locked by its owner; another file would not be."""
    digest = hashlib.sha256()
    with open(layer, "rb") as source, open(into, "r+b") as target:
        for chunk in iter(lambda: source.read(_CHUNK), b""):
            digest.update(chunk)
            target.write(chunk)
        if "sha256:" + digest.hexdigest() != blob.digest:
            target.truncate(0)
            return f"udocker brought something else, with sha256 {digest.hexdigest()}"
    return ""


def _runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_INTERVAL_S)
        return False
    except subprocess.TimeoutExpired:
        return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _output(directory: Path) -> str:
    lines = (directory / "said").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
