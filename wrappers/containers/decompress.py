"""Files of layers and root file systems, decompressed; what they are, their first bytes say.

Gzip, zstd, bzip2 and xz are read, and plain tar; other formats are refused by their names. Bytes after the
end of a compressed stream are passed over, as gzip does: whether all is there, the digest says.
"""

import subprocess
import zlib
from pathlib import Path
from typing import IO, Any, Callable, Iterator, NamedTuple, Type, cast

from wrappers import causes
from wrappers.containers.errors import CorruptImage, NoImage, UnsuitableNode
from wrappers.containers.programs import which

_READ = 1 << 17  # compressed bytes at a time
_LARGEST_CHUNK = 1 << 20  # decompressed bytes at a time, however well they were packed
_MOST_MEMORY = 1 << 29  # bytes for unpacking xz
_HEAD = 300  # bytes that are looked at

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # after 0x50 to 0x5f: a frame of zstd that holds no data
_OTHERS = (
    (0, b"\x04\x22\x4d\x18", "lz4"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"LZIP", "lzip"),
    (0, b"\x89LZO", "lzop"),
    (0, b"\x5d\x00\x00", "lzma"),
    (0, b"\x1f\x9d", "compress (.Z)"),
    (0, b"hsqs", "squashfs"),
    (0, b"070701", "cpio"),
    (0, b"\xc7\x71", "cpio"),
    (0, b"!<arch>\n", "ar (a Debian package?)"),
    (0, b"\xed\xab\xee\xdb", "rpm"),
    (32, b"SIF_MAGIC", "SIF (an image of Singularity)"),
)


class AfterTheEnd(CorruptImage):
    """The program zstd is not content; when all that is wanted came before, something else follows it."""


class Gunzip(NamedTuple):
    """A library that unpacks gzip, with the interface of `zlib`."""

    decompressobj: Callable[[int], Any]
    error: Type[Exception]  # what it raises when the data are damaged


ZLIB = Gunzip(zlib.decompressobj, zlib.error)


def is_compressed(head: bytes) -> bool:
    """Say whether a file that begins so is in a compressed format that is read."""
    return head.startswith(_GZIP) or _is_zstd(head) or _library(head) != ""


def decompressed(path: Path, gunzip: Gunzip = ZLIB) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file.

    Raises:
        CorruptImage: the file ends too early, is damaged, or is in a format that is not read.
        UnsuitableNode: what unpacks zstd, bzip2 or xz is not installed.
    """
    with open(str(path), "rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        if head.startswith(_GZIP):
            try:
                yield from _gunzipped(file, gunzip)
            except gunzip.error as error:
                raise CorruptImage(f"a layer cannot be decompressed: {error}") from None
        elif _is_zstd(head):
            yield from _unzstded(path)
        elif _library(head):
            yield from _by_library(file, _library(head))
        else:
            _refuse_others(head)
            yield from iter(lambda: file.read(_READ), b"")


def _is_zstd(head: bytes) -> bool:
    return head.startswith(_ZSTD) or (head[1:4] == _SKIPPABLE and head[0] & 0xF0 == 0x50)


def _library(head: bytes) -> str:
    """Choose the module of Python's library that unpacks it."""
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bz2"
    return "lzma" if head.startswith(b"\xfd7zXZ\0") else ""


def _refuse_others(head: bytes) -> None:
    if head[257:262] == b"ustar":
        return  # whatever the name of its first file is
    for offset, sign, name in _OTHERS:
        if head[offset : offset + len(sign)] == sign:
            raise NoImage(
                f"a layer is in the format {name}: only tar is read, plain or by gzip, zstd, bzip2 or xz"
            )


def _gunzipped(file: IO[bytes], gunzip: Gunzip) -> Iterator[bytes]:
    """Unpack the members of a file, which may be several (estargz); what follows the last and is none is
    passed over.
    """
    inflate = gunzip.decompressobj(16 + zlib.MAX_WBITS)
    rest = b""
    begun = first = True
    for data in iter(lambda: file.read(_READ), b""):
        data = rest + data
        while data:
            if not begun:  # between two members
                if len(data) < len(_GZIP) and _GZIP.startswith(data):
                    break
                if not data.startswith(_GZIP):
                    return
                inflate, begun = gunzip.decompressobj(16 + zlib.MAX_WBITS), True
            chunk = inflate.decompress(data, _LARGEST_CHUNK)
            while chunk:
                yield chunk
                chunk = inflate.decompress(inflate.unconsumed_tail, _LARGEST_CHUNK)
            data = b""
            if inflate.eof:
                data, begun, first = inflate.unused_data, False, False
        rest = data
    if begun or first:
        raise CorruptImage("a layer's gzip stream ends too early")


def _by_library(file: IO[bytes], name: str) -> Iterator[bytes]:
    """bzip2 or xz, of which a file may hold several streams too; what follows and is none is passed over."""
    try:
        import bz2
        import lzma
    except ImportError as error:
        raise UnsuitableNode(
            f"the image has layers in bzip2 or xz format, which this Python cannot unpack: {error}"
        ) from None

    def make() -> Any:
        return bz2.BZ2Decompressor() if name == "bz2" else lzma.LZMADecompressor(memlimit=_MOST_MEMORY)

    unpack, complete = make(), False
    data = file.read(_READ)
    try:
        while data or not unpack.needs_input:
            chunk = unpack.decompress(data, _LARGEST_CHUNK)
            if chunk:
                yield chunk
            data = b""
            if unpack.eof:
                data = (unpack.unused_data or file.read(_READ)).lstrip(b"\0")  # xz pads with zeros
                unpack, complete = make(), True
            elif unpack.needs_input:
                data = file.read(_READ)
    except (OSError, lzma.LZMAError, EOFError) as error:
        if not complete:
            raise CorruptImage(f"a layer cannot be decompressed: {error}") from None
    if not complete:
        raise CorruptImage("a layer's compressed stream ends too early")


def _unzstded(path: Path) -> Iterator[bytes]:
    try:
        process = subprocess.Popen(
            [which("zstd") or "zstd", "-dcq", "--", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        if causes.of_limit(error):
            raise
        raise UnsuitableNode(
            "the image has layers in zstd format and the program zstd is not installed"
        ) from None
    with process:
        stdout, stderr = cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr)
        try:
            yield from iter(lambda: stdout.read(_READ), b"")
            message = stderr.read().decode("utf-8", "replace").strip()
            if process.wait():
                raise AfterTheEnd(f"a layer cannot be decompressed: {message}")
        finally:
            process.kill()
