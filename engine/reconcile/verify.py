"""Whether what lies on a storage has the bytes that it should have; a directory by all that is in it."""

from __future__ import annotations

from engine.ports import Storage, entries, url_below
from wrappers.node.files import listing_digest


def has_content(storage: Storage, url: str, size: int, sha256: str) -> bool:
    """Say whether a file, or the directory, at a URL has this size and checksum; all of it is read where the
    storage knows no checksum itself.
    """
    found = storage.stat(url)
    if found is None:
        return False
    if found.directory:
        return tree_digest(storage, url) == (size, sha256)
    return found.size == size and (found.sha256 or storage.checksum(url)) == sha256


def tree_digest(storage: Storage, url: str) -> tuple[int, str]:
    """Sum the sizes of the files below a directory, and compute the checksum of its sorted listing, as the
    wrapper does when it delivers one.
    """
    sums: list[tuple[str, str]] = []
    total = 0
    left = [("", url)]
    while left:
        above, at = left.pop()
        for name, found in entries(storage, at).items():
            below = url_below(storage, at, name)
            if found.directory:
                left.append((f"{above}{name}/", below))
            else:
                sums.append((above + name, found.sha256 or storage.checksum(below)))
                total += found.size
    return total, listing_digest(sums)
