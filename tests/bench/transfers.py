"""Files to and from storages, beside curl and xrdcp in the same run: one large file, a thousand small ones.

Ours compute sha256 and adler32 of every byte, and compare them with the storage's own. curl computes nothing;
where the storage computes a checksum after an upload, both wait for it. xrdcp compares adler32 too. The
thousand files lie 30 ms away, by a relay that delays every byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.place import median, row
from tests.services.debian import require
from tests.services.nginx import start_nginx
from tests.services.wan import far_away
from tests.services.xrootd import start_xrootd

ROUNDS = 5
LARGE, SMALL = 1 << 30, 100_000
MANY = 1000
SAMPLE = 20
"""Files for which one curl each is run; their time is taken times fifty."""


def main() -> None:
    """Print every ratio."""
    with _memory() as directory:
        large = _files(directory / "large", 1, LARGE)
        with start_nginx() as nginx, start_xrootd() as xrootd:
            _large("nginx", f"{nginx.url}/large", large, _curl_put, _curl_get)
            _large("XRootD http", f"{xrootd.http}/large", large, _curl_put_and_ask, _curl_get)
            _large("XRootD root", f"{xrootd.root}/large", large, _xrdcp_put, _xrdcp_get)
            shutil.rmtree(large)
            small = _files(directory / "small", MANY, SMALL)
            with far_away(urlsplit(nginx.url).port or 0) as port:
                _many(f"http://127.0.0.1:{port}/small", small)


def _large(
    name: str,
    base: str,
    directory: Path,
    put: Callable[[Path, str], None],
    get: Callable[[Path, str], None],
) -> None:
    peer = "xrdcp" if "root://" in base else "curl"
    (path,) = directory.iterdir()
    url = f"{base}/{path.name}"
    for how, other in (("put", put), ("get", get)):
        ratios = []
        for _ in range(ROUNDS):
            theirs = _timed(lambda other=other: other(path, url))  # type: ignore[misc]
            ratios.append(theirs / _ours(how, base, directory))
        ratio = median(ratios)
        row(f"1 GiB {how}, {name}", f"{ratio:.2f} x {peer}", ">= 0.9", ratio >= 0.9)


def _many(base: str, directory: Path) -> None:
    sample = sorted(directory.iterdir())[:SAMPLE]
    figures: dict[str, list[float]] = {"put": [], "get": [], "tar": []}
    for _ in range(ROUNDS):
        put = _timed(lambda: [_curl_put(path, f"{base}/{path.name}") for path in sample]) * MANY / SAMPLE
        figures["put"].append(put / _ours("put", base, directory))
        get = _timed(lambda: [_curl_get(path, f"{base}/{path.name}") for path in sample]) * MANY / SAMPLE
        figures["get"].append(get / _ours("get", base, directory))
        figures["tar"].append((put + get) / _ours("tar", base, directory))
        shutil.rmtree(f"{directory}.unpacked")
    for how, least in (("get", 18), ("put", 8), ("tar", 50)):
        ratio = median(figures[how])
        words = f"1000 x 100 KB, 30 ms away, {'directory as tar, both ways' if how == 'tar' else how}"
        row(words, f"{ratio:.0f} x one curl per file", f">= {least}", ratio >= least)


def _ours(how: str, base: str, directory: Path) -> float:
    command = [sys.executable, "-m", "tests.bench.moves", how, base, str(directory)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _curl_put(path: Path, url: str) -> None:
    _run(require("curl"), "-sfT", str(path), url)


def _curl_put_and_ask(path: Path, url: str) -> None:
    _curl_put(path, url)
    _run(require("curl"), "-sfI", "-H", "Want-Digest: adler32", url)


def _curl_get(path: Path, url: str) -> None:
    _run(require("curl"), "-sfo", f"{path.parent}.got", url)


def _xrdcp_put(path: Path, url: str) -> None:
    _run(require("xrdcp"), "-s", "-f", "--cksum", "adler32:print", str(path), url)


def _xrdcp_get(path: Path, url: str) -> None:
    _run(require("xrdcp"), "-s", "-f", "--cksum", "adler32:print", url, f"{path.parent}.got")


def _files(directory: Path, count: int, size: int) -> Path:
    directory.mkdir()
    piece = random.Random(1).randbytes(min(size, 1 << 20))
    known = {}
    for number in range(count):
        path = directory / f"{number:04}"
        with open(path, "wb") as file:
            for _ in range(max(1, size // len(piece))):
                file.write(piece)
        data = path.read_bytes()
        known[path.name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "adler32": f"{zlib.adler32(data):08x}",
        }
    Path(f"{directory}.json").write_text(json.dumps(known))
    return directory


@contextmanager
def _memory() -> Iterator[Path]:
    """A directory in memory, if there is room: the speed of disks is not the question."""
    place = "/dev/shm"
    before = tempfile.tempdir
    roomy = os.path.isdir(place) and shutil.disk_usage(place).free > 8 * LARGE
    tempfile.tempdir = place if roomy else None
    try:
        with tempfile.TemporaryDirectory(prefix="engine-bench-") as directory:
            yield Path(directory)
    finally:
        tempfile.tempdir = before


if __name__ == "__main__":
    main()
