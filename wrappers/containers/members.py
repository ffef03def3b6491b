"""Members of tar archives that others made: opened, named and read without trust.

Whoever unpacks one chooses what it takes (a flat list of names, a tree, known names only) and goes by these
rules. Layers of images have rules of their own (`wrappers.containers.layers`): their names need not be text,
and may lead over links.
"""

import tarfile
import zlib
from contextlib import contextmanager
from typing import IO, Iterator, Tuple, Union

try:
    from lzma import LZMAError
except ImportError:  # not every Python has it; tarfile refuses what is compressed so by itself
    LZMAError = zlib.error  # type: ignore[misc,assignment]

DAMAGE = (tarfile.TarError, EOFError, zlib.error, LZMAError)
"""What reading a damaged tar can raise, by the library that decompresses it; bzip2 has an OSError."""
_PIECE = 1 << 20


@contextmanager
def opened(archive: Union[str, IO[bytes]], mode: str = "r:*") -> Iterator[tarfile.TarFile]:
    """Open a tar, compressed or not, by its path or as a file.

    Raises:
        TarError: it is damaged, whatever the library says that decompresses it.
        OSError: this machine cannot read it.
    """
    name, file = (archive, None) if isinstance(archive, str) else (None, archive)
    try:
        with tarfile.open(name, mode, file, encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[call-overload]
            yield tar
            while tar.fileobj is not None and tar.fileobj.read(_PIECE):
                pass  # what compresses has a checksum at its end
    except (OSError, *DAMAGE) as error:
        if isinstance(error, tarfile.TarError) or getattr(error, "errno", None) is not None:
            raise
        raise tarfile.ReadError(str(error)) from None


def parts_of(name: str) -> Tuple[str, ...]:
    """Split the name of a member into what it is below the directory that the archive is unpacked in.

    Raises:
        TarError: it leads out of that.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise tarfile.ExtractError(f"{name!r} leads out of it")
    return parts


def pieces_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Read the content of a file; nothing of what is none.

    Raises:
        TarError: it ends too early.
    """
    content = tar.extractfile(member) if member.isreg() else None
    left = member.size if content else 0
    while content and left:
        piece = content.read(min(_PIECE, left))
        if not piece:
            raise tarfile.ReadError("it ends too early")
        left -= len(piece)
        yield piece
