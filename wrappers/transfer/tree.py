"""Directories as tar: written as a stream of a size that is known beforehand, unpacked without trust.

The tar of a tree depends on names, contents and execution bits only: the same results give the same bytes.
"""

import hashlib
import os
import stat
import tarfile
from typing import Any, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

from wrappers.containers.members import opened, parts_of, pieces_of
from wrappers.node.files import Held, TooDeep, is_within, walk
from wrappers.node.names import native, portable
from wrappers.transfer.errors import Permanent, Transient
from wrappers.transfer.source import FileSource, Source

SUFFIX = ".tar"
_DATE = 315532800  # 1980-01-01, as in the wrapper's own archive
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 20


class TarSource(Source):
    """A directory, sent as the tar of it; nothing of it is on the disk."""

    def __init__(
        self,
        directories: Sequence[str],
        files: Sequence[Tuple[str, str]],
        algorithms: Iterable[str] = ("sha256", "adler32"),
        links: Sequence[Tuple[str, str]] = (),
    ) -> None:
        """`directories` are relative names, parents first; `files` are relative names and paths; `links` are
        relative names and targets.

        Raises:
            OSError: a file is not there.
        """
        self._entries = [(_header(name, 0, 0o755, tarfile.DIRTYPE), "", 0) for name in directories]
        for name, path in files:
            found = os.stat(path)
            mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
            self._entries.append((_header(name, found.st_size, mode, tarfile.REGTYPE), path, found.st_size))
        self._entries += [(_link(name, target), "", 0) for name, target in links]
        size = sum(len(header) + content + -content % _BLOCK for header, _, content in self._entries)
        super().__init__(size + 2 * _BLOCK, algorithms)

    def _read(self) -> Iterator[Any]:
        waiting = bytearray()  # small pieces go together
        for header, path, size in self._entries:
            waiting += header
            if size > _PIECE:
                yield bytes(waiting)
                waiting = bytearray()
                yield from FileSource(path, ())._exactly(size)
            elif path:
                with open(path, "rb") as file:
                    content = file.read(size + 1)
                if len(content) != size:
                    raise Permanent("a file of a result changed while it was sent")
                waiting += content
            waiting += bytes(-size % _BLOCK)
            if len(waiting) > _PIECE:
                yield bytes(waiting)
                waiting = bytearray()
        yield bytes(waiting) + bytes(2 * _BLOCK)


class Content(NamedTuple):
    """The content that a directory would give as an input."""

    files: int
    left_out: List[str]  # sentences: what is neither file nor directory, or a link that leads nowhere
    closed: str = ""  # one of the files that this account may not read


def look(directory: str) -> Content:
    """List what a directory would give.

    Raises:
        Permanent: it has too many levels.
        OSError: it cannot be read.
    """
    try:
        tree = walk(directory, keep_links=True)
    except TooDeep as error:
        raise Permanent(str(error)) from None
    closed = next((file.path for file in tree.files if not os.access(file.path, os.R_OK)), "")
    return Content(len(tree.files), tree.left_out, closed)


def packed(directory: str, algorithms: Iterable[str] = ("sha256", "adler32")) -> TarSource:
    """Make the tar of a directory. Links to what is in it stay links, others count as what they point to;
    what is neither file nor directory, or a link that leads nowhere, is left out.

    Raises:
        OSError: it cannot be read.
    """
    tree = walk(directory, keep_links=True)
    return TarSource(
        tree.directories, [(file.name, file.path) for file in tree.files], algorithms, tree.links
    )


def _header(name: str, size: int, mode: int, kind: bytes) -> bytes:
    entry = tarfile.TarInfo(portable(name))
    entry.size, entry.mode, entry.type, entry.mtime = size, mode, kind, _DATE
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _link(name: str, target: str) -> bytes:
    entry = tarfile.TarInfo(portable(name))
    entry.mode, entry.type, entry.mtime, entry.linkname = 0o777, tarfile.SYMTYPE, _DATE, portable(target)
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def unpack(path: str, target: str) -> Held:
    """Unpack a tar (also a compressed one) into a directory that is made.

    Raises:
        Transient: it is damaged, or holds what has no place in a directory of inputs: devices, names that
            lead out of it, links to anything but what is in it.
        OSError: the disk is full.
    """
    os.mkdir(target)
    sums: List[Tuple[str, str]] = []
    links: List[Tuple[str, str]] = []
    total = 0
    try:
        with opened(path) as packed:
            for entry in packed:
                name = "/".join(parts_of(entry.name))
                if not (entry.isdir() or entry.isreg() or entry.issym()):
                    raise ValueError(f"{entry.name!r} is neither a file nor a directory")
                if not name:
                    continue
                target_path = os.path.join(target, native(name))
                if entry.isdir():
                    os.makedirs(target_path, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(target_path), exist_ok=True)
                if entry.issym():
                    links.append((target_path, native(entry.linkname)))
                    continue
                sums.append((native(name), _write(packed, entry, target_path)))
                total += entry.size
        _make_links(links, target)
    except (tarfile.TarError, ValueError) as error:
        raise Transient(f"the tar cannot be unpacked: {error}") from None
    return Held(sums, total)


def _make_links(links: Sequence[Tuple[str, str]], target: str) -> None:
    """Last of all, so that nothing is written through one; each must lead to something that is there."""
    for target_path, leads_to in links:
        try:
            os.symlink(leads_to, target_path)
        except FileExistsError:
            raise ValueError(f"{os.path.relpath(target_path, target)!r} is in it twice") from None
    top = os.path.realpath(target)
    for target_path, _ in links:
        real = os.path.realpath(target_path)
        if real == top or not is_within(real, top) or not os.path.exists(real):
            raise ValueError(
                f"{os.path.relpath(target_path, target)!r} is a link that leads out of it, or nowhere"
            )


def _write(packed: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> str:
    mode = 0o755 if entry.mode & stat.S_IXUSR else 0o644
    hashed = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise ValueError(f"{entry.name!r} is in it twice") from None
    with open(descriptor, "wb") as file:
        for piece in pieces_of(packed, entry):
            hashed.update(piece)
            file.write(piece)
    return hashed.hexdigest()
