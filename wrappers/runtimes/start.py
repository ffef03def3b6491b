"""Whether the first program of a container can start at all: read from the image's files, before it is run.

What an image lacks is the image's fault on every node, so it must not be found out by a runtime that fails.
"""

import os
import struct
from pathlib import Path
from typing import Optional

from wrappers.containers.errors import ContainerError
from wrappers.containers.tree import inside
from wrappers.runtimes.base import ImageError

_ELF = b"\x7fELF"
_PT_INTERP = 3
_MOST_INTERPRETERS = 4  # the interpreter of a script may be a script, for the kernel too
_HEAD = 4096  # bytes; the kernel reads 256 of a script
_BINFMT = "/proc/sys/fs/binfmt_misc"
_MACHINES = {  # ELF's e_machine: what it is called, and the machines that run it, as `uname -m` says
    3: ("i386", ("i386", "i486", "i586", "i686", "x86_64")),
    62: ("x86_64", ("x86_64",)),
    40: ("arm", ("armv6l", "armv7l", "armv8l", "aarch64")),
    183: ("aarch64", ("aarch64",)),
    21: ("ppc64", ("ppc64", "ppc64le")),
    22: ("s390x", ("s390", "s390x")),
    243: ("riscv", ("riscv64", "riscv32")),
    258: ("loongarch", ("loongarch64",)),
}
# What engines say of a container that cannot start, in small letters; the first that fits.
_WORDS = (
    ("exec format error", "image-platform"),
    ("could not run on the host's", "image-platform"),
    ("does not match the detected host platform", "image-platform"),
    ("executable file not found", "image-start"),
    ("no such file or directory: unknown", "image-start"),
    ("permission denied: unknown", "image-start"),
    ("stat /bin/sh: no such file or directory", "image-start"),
    ("no space left on device", "no-space"),
    ("disk quota exceeded", "no-space"),
    ("too many open files", "open-files"),
    ("cannot allocate memory", "memory"),
    ("read-only file system", "read-only"),
    ("resource temporarily unavailable", "processes"),
)


def check(name: str, root: Path, program: str, search: str) -> None:
    """See that nothing speaks against the start of a program of the image `name`.

    A program without slash is looked for in the directories of `search`, as PATH has them.

    Raises:
        ImageError: it is missing, is for another processor, or wants what the image does not have.
    """
    try:
        path = _find(root, program, search)
        if path is None:
            raise ImageError(f"image {name} has no {program}", "image-start")
        _check(f"image {name} cannot start: {program}", root, path, 0)
    except ContainerError as error:  # links in a circle
        raise ImageError(f"image {name} cannot start: {error}", "image-start") from None


def cause_in(words: str) -> str:
    """Give the cause that a container engine's own words tell of; "" is none that is known."""
    said = words.lower()
    return next((cause for part, cause in _WORDS if part in said), "")


def _find(root: Path, program: str, search: str) -> Optional[Path]:
    candidates = (
        [program] if "/" in program else [f"{directory}/{program}" for directory in search.split(":")]
    )
    found = [path for path in (inside(root, directory) for directory in candidates) if path.is_file()]
    return next((path for path in found if _may_run(path)), found[0] if found else None)


def _may_run(path: Path) -> bool:
    """Say whether it is executable, apart from how its file system is mounted: an overlay or a copy may
    do.
    """
    return os.access(str(path), os.X_OK) or (no_execution(path) and bool(path.stat().st_mode & 0o111))


def no_execution(path: Path) -> bool:
    """Say whether a path is on a file system on which nothing may be executed (noexec)."""
    return bool(os.statvfs(str(path)).f_flag & os.ST_NOEXEC)


def _check(what: str, root: Path, path: Path, depth: int) -> None:
    if not _may_run(path):
        raise ImageError(f"{what} is not executable", "image-start")
    try:
        with open(str(path), "rb") as file:
            head = file.read(_HEAD)
    except PermissionError:
        return  # it may be executed and not read: the kernel will tell
    if head.startswith(_ELF):
        wanted = _check_machine(what, head)
        if wanted and not inside(root, wanted).is_file():
            raise ImageError(
                f"{what} wants the loader {wanted}, which the image does not have", "image-start"
            )
    elif head.startswith(b"#!"):
        line = head.partition(b"\n")[0]
        if line.endswith(b"\r"):
            raise ImageError(f"{what} has lines that end with CR LF, as Windows writes them", "image-start")
        words = line[2:].split(None, 1)
        wanted = os.fsdecode(words[0]) if words else ""
        interpreter = inside(root, wanted) if wanted.startswith("/") else None
        if interpreter is None or not interpreter.is_file():
            raise ImageError(f"{what} wants {wanted or 'no interpreter'}, which is not there", "image-start")
        if depth < _MOST_INTERPRETERS:
            _check(f"{what} wants {wanted}, which", root, interpreter, depth + 1)
    elif not _emulated():
        raise ImageError(f"{what} is neither a program nor a script that begins with #!", "image-start")


def _check_machine(what: str, head: bytes) -> str:
    """See that an ELF file is for this machine; gives the loader that it wants, "" for none."""
    try:
        byte_order = "<" if head[5] == 1 else ">"
        (machine,) = struct.unpack_from(byte_order + "H", head, 18)
        name, fit = _MACHINES.get(machine, ("", ()))
        here = os.uname().machine
        if name and here not in fit and not _emulated():
            raise ImageError(f"{what} is for {name}, and this machine is {here}", "image-platform")
        return _loader(byte_order, head)
    except (struct.error, IndexError):
        raise ImageError(f"{what} is no whole program", "image-start") from None


def _loader(byte_order: str, head: bytes) -> str:
    """Read the name in PT_INTERP; "" when there is none, or it stands beyond the first bytes."""
    wide = head[4] == 2
    (table,) = struct.unpack_from(byte_order + ("Q" if wide else "I"), head, 32 if wide else 28)
    size, count = struct.unpack_from(byte_order + "HH", head, 54 if wide else 42)
    for header in range(table, table + size * count, max(size, 1)):
        if header + size > len(head):
            return ""
        (kind,) = struct.unpack_from(byte_order + "I", head, header)
        if kind == _PT_INTERP:
            form, at, length = ("Q", 8, 32) if wide else ("I", 4, 16)
            (offset,) = struct.unpack_from(byte_order + form, head, header + at)
            (long,) = struct.unpack_from(byte_order + form, head, header + length)
            return os.fsdecode(head[offset : offset + long].rstrip(b"\0"))
    return ""


def _emulated() -> bool:
    """Say whether this kernel may hand programs that are not its own to an emulator."""
    try:
        return bool(set(os.listdir(_BINFMT)) - {"register", "status"})
    except OSError:
        return False
