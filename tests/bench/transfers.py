"""Files to and from storages, beside curl and xrdcp in the same run: one large file, a thousand small ones.

Ours compute sha256 and adler32 of every byte, and compare them with the storage's own. curl computes nothing,
so it is measured twice: alone, and with a program that computes sha256 of the same file, beside an upload and
after a download. Where the storage computes a checksum after an upload, all wait for it. xrdcp compares
adler32 too; ours leave out its checksum of every page, so it is measured without that as well. The thousand
files lie 30 ms away, by a relay that delays every byte: plain, and then with the windows of TCP, where a new
connection is slow at first.
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.figures import row
from tests.bench.place import median
from tests.services.debian import require
from tests.services.nginx import start_nginx
from tests.services.wan import far_away
from tests.services.xrootd import start_xrootd

ROUNDS = 5
LARGE, SMALL = 1 << 30, 100_000
MANY = 1000
SAMPLE = 20
"""Files for which one curl each is run; their time is taken times fifty."""


NO_PAGES = "xrdcp, no pages"
"""The peer that checks no pages; nothing is wanted beside it."""

Move = Callable[[Path, str], None]


def main() -> None:
    """Print every ratio."""
    with _memory() as directory:
        large = _files(directory / "large", 1, LARGE)
        with start_nginx() as nginx, start_xrootd() as xrootd:
            got: dict[str, Move] = {"curl": _curl_get, "curl and sha256": _curl_get_and_hash}
            put: dict[str, Move] = {"curl": _curl_put, "curl and sha256": _hashed(_curl_put)}
            _large("nginx", f"{nginx.url}/large", large, {"put": put, "get": got})
            put = {"curl": _curl_put_and_ask, "curl and sha256": _hashed(_curl_put_and_ask)}
            _large("XRootD http", f"{xrootd.http}/large", large, {"put": put, "get": got})
            put = {"xrdcp": _xrdcp_put, NO_PAGES: _without_pages(_xrdcp_put)}
            got = {"xrdcp": _xrdcp_get, NO_PAGES: _without_pages(_xrdcp_get)}
            _large("XRootD root", f"{xrootd.root}/large", large, {"put": put, "get": got})
            shutil.rmtree(large)
            small = _files(directory / "small", MANY, SMALL)
            for windows in (False, True):
                with far_away(urlsplit(nginx.url).port or 0, windows=windows) as port:
                    _many(f"http://127.0.0.1:{port}/small", small, ", TCP windows" if windows else "")


def _large(name: str, base: str, directory: Path, peers: dict[str, dict[str, Move]]) -> None:
    (path,) = directory.iterdir()
    got = Path(f"{directory}.got")
    for how, others in peers.items():
        ratios: dict[str, list[float]] = {peer: [] for peer in others}
        for _ in range(ROUNDS):
            theirs = {}
            for peer, other in others.items():
                got.unlink(missing_ok=True)  # a download makes a new file
                theirs[peer] = _timed(partial(other, path, f"{base}/{path.name}"))
            got.unlink(missing_ok=True)
            ours = _ours(how, base, directory)
            for peer, seconds in theirs.items():
                ratios[peer].append(seconds / ours)
        for peer, found in ratios.items():
            ratio = median(found)
            wanted = None if peer == NO_PAGES else 0.9
            _row(f"1 GiB {how}, {name}", f"{ratio:.2f} x {peer}", ratio, wanted)


def _many(base: str, directory: Path, suffix: str) -> None:
    sample = sorted(directory.iterdir())[:SAMPLE]
    figures: dict[str, list[float]] = {"put": [], "get": [], "tar": []}
    for _ in range(ROUNDS):
        put = _timed(lambda: _each(_curl_put, sample, base)) * MANY / SAMPLE
        figures["put"].append(put / _ours("put", base, directory))
        get = _timed(lambda: _each(_curl_get, sample, base)) * MANY / SAMPLE
        figures["get"].append(get / _ours("get", base, directory))
        figures["tar"].append((put + get) / _ours("tar", base, directory))
        shutil.rmtree(f"{directory}.unpacked")
    for how, least in (("get", 18), ("put", 8), ("tar", 50)):
        ratio = median(figures[how])
        wanted = None if suffix else least  # that path is harder on one curl per file
        what = "directory as tar, both ways" if how == "tar" else how
        words = f"1000 x 100 KB, 30 ms away{suffix}, {what}"
        _row(words, f"{ratio:.0f} x one curl per file", ratio, wanted)


def _each(move: Move, paths: Iterable[Path], base: str) -> None:
    for path in paths:
        move(path, f"{base}/{path.name}")


def _row(what: str, figure: str, ratio: float, wanted: float | None) -> None:
    row(what, figure, "-" if wanted is None else f">= {wanted}", wanted is None or ratio >= wanted)


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


def _hashed(put: Move) -> Move:
    """The upload while another program computes the checksum that ours computes on the way."""

    def both(path: Path, url: str) -> None:
        with subprocess.Popen(
            [require("openssl"), "dgst", "-sha256", str(path)], stdout=subprocess.DEVNULL
        ) as hashing:
            put(path, url)
        assert hashing.returncode == 0

    return both


def _curl_get_and_hash(path: Path, url: str) -> None:
    _curl_get(path, url)
    _run(require("openssl"), "dgst", "-sha256", f"{path.parent}.got")


def _curl_put_and_ask(path: Path, url: str) -> None:
    _curl_put(path, url)
    _run(require("curl"), "-sfI", "-H", "Want-Digest: adler32", url)


def _curl_get(path: Path, url: str) -> None:
    _run(require("curl"), "-sfo", f"{path.parent}.got", url)


def _xrdcp_put(path: Path, url: str) -> None:
    _run(require("xrdcp"), "-s", "-f", "--cksum", "adler32:print", str(path), url)


def _xrdcp_get(path: Path, url: str) -> None:
    _run(require("xrdcp"), "-s", "-f", "--cksum", "adler32:print", url, f"{path.parent}.got")


def _without_pages(move: Move) -> Move:
    """The same while xrdcp computes no checksum of every 4 KiB on the way."""

    def moved(path: Path, url: str) -> None:
        os.environ["XRD_CPUSEPGWRTRD"] = "0"
        try:
            move(path, url)
        finally:
            del os.environ["XRD_CPUSEPGWRTRD"]

    return moved


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
