"""Which paths are not on this machine's own disks, found out without touching what may not answer."""

import os
import re
from typing import Dict, List

_LOCAL = frozenset(
    (
        *("bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jfs", "reiserfs", "vfat"),
        *("overlay", "ramfs", "rootfs", "squashfs", "tmpfs", "xfs", "zfs", "devtmpfs", "proc", "sysfs"),
    )
)
_MOST_LINKS = 40
_ESCAPED = re.compile(r"\\([0-7]{3})")


def is_remote(path: str) -> bool:
    """Say whether a path leads to a file system that may not answer: any but the usual ones of local disks.

    Symbolic links are followed up to there, and not beyond.
    """
    kinds = _kinds()
    path_so_far, left, links = "", ["/", *os.path.abspath(path).split("/")], 0
    while left:
        name = left.pop(0)
        if name == "..":
            path_so_far = os.path.dirname(path_so_far)
        elif name not in ("", "."):
            path_so_far = os.path.join(path_so_far or "/", name)
        if kinds.get(path_so_far or "/", "ext4") not in _LOCAL:
            return True
        target = _target(path_so_far)
        if target and links < _MOST_LINKS:
            links += 1
            path_so_far = "" if target.startswith("/") else os.path.dirname(path_so_far)
            left = [*target.split("/"), *left]
    return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # it is no link, or not there
        return ""


def _kinds() -> Dict[str, str]:
    """Find the kind of file system of each mount point."""
    found: Dict[str, str] = {}
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                before, _, after = line.partition(" - ")
                found[_plain(before.split(" "))] = after.split(" ")[0]
    except (OSError, IndexError):
        pass
    return found


def _plain(fields: List[str]) -> str:
    return _ESCAPED.sub(lambda octal: chr(int(octal.group(1), 8)), fields[4])
