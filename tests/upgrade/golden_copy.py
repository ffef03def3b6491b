"""Golden copies: what an earlier engine left, packed so that it can be put anywhere.

    database.sql     the whole database
    held.json        what its executions are called: {"running": ID, ...}
    work/            the directory of the user: settings, tool, results
    home/            the home of the user; the spool of the local back-end, with the old wrapper, is in it
    dirac/           what the stand-in for DIRAC's services kept: jobs, and their sandboxes
    diracx/          a directory for each job that DiracX had: description, and what was in its sandbox

In each text the directory of the copy is `@ROOT@`, that of the engine's sources `@CHECKOUT@`, the registry of
its image `@REGISTRY@`, and the digest of that `@IMAGE@`. A manifest's checksum changes with what is in it:
that of attempt A is `@MANIFEST-A@`, wherever it stands.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
ROOT = "@ROOT@"
CHECKOUT = "@CHECKOUT@"
_SOURCES = str(Path(__file__).resolve().parents[2])
_BINARY = (".pyz",)


def pack(root: Path, target: Path, others: Mapping[str, str]) -> None:
    """Write what lies in a directory as a golden copy. `others`: what stands for further texts of its own."""
    words = {str(root): ROOT, _SOURCES: CHECKOUT, **{text: word for word, text in others.items()}}
    for attempt, line in _manifests(root):
        words[hashlib.sha256(line).hexdigest()] = f"@MANIFEST-{attempt}@"
    part = target.with_suffix(".part")
    with tarfile.open(part, "w:xz") as tar:
        for path in sorted(root.rglob("*")):
            if path.is_dir() or (path.is_file() and not path.is_symlink()):  # a FIFO is made anew
                entry = tar.gettarinfo(path, str(path.relative_to(root)))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = "root"
                data = b"" if path.is_dir() else path.read_bytes()
                if path.suffix not in _BINARY:
                    data = _replaced(data, words)
                entry.type = tarfile.DIRTYPE if path.is_dir() else tarfile.REGTYPE
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    part.replace(target)  # one that was cut off is no copy


def unpack(source: Path, root: Path, others: Mapping[str, str]) -> None:
    """Put a golden copy into an empty directory; `others` as for `pack`."""
    with tarfile.open(source) as tar:
        tar.extractall(root)
    files = [path for path in root.rglob("*") if path.is_file()]
    _replace(files, {ROOT: str(root), CHECKOUT: _SOURCES, **others})
    sums = {f"@MANIFEST-{attempt}@": hashlib.sha256(line).hexdigest() for attempt, line in _manifests(root)}
    _replace(files, sums)
    for path in files:
        os.utime(path)  # caches and spools remove what is old


def _replace(files: list[Path], words: dict[str, str]) -> None:
    for path in files:
        if path.suffix not in _BINARY:
            data = path.read_bytes()
            if (new := _replaced(data, words)) != data:
                path.write_bytes(new)


def _replaced(data: bytes, words: dict[str, str]) -> bytes:
    for old, new in words.items():
        data = data.replace(old.encode(), new.encode())
    return data


def _manifests(root: Path) -> Iterator[tuple[str, bytes]]:
    """The orders in spool and sandboxes: the attempt, and the text that its checksum is of."""
    for path in sorted(root.rglob("manifests.jsonl")):
        for line in path.read_bytes().splitlines():
            yield json.loads(line)["attempt"], line
