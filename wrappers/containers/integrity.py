"""Whether a published tree can be read, and is what its list of files says: asked after something went wrong.

Every entry is looked at. Of the files, a part is read too, in another order each time: all of them would
have to be fetched, and most tools fail for other reasons. After a sign of damage, they are read for longer.
"""

import hashlib
import os
import random
import stat
import time
from pathlib import Path
from typing import Callable, List

from wrappers.containers.listing import ListingEntry, read_tree, shown

SAMPLE, THOROUGH = 5.0, 45.0  # seconds
_CHUNK = 1 << 20
_KINDS = ((stat.S_ISDIR, "dir"), (stat.S_ISLNK, "link"), (stat.S_ISREG, "file"))


def damage(container: Path, thorough: bool, alive: Callable[[], None]) -> str:
    """Find what is wrong with the tree, in a line; "" when nothing is found, or it has no list.

    `alive` is called now and then; whoever calls sees to it that this ends (`timed`).
    """
    try:
        entries = list(read_tree(container).values())
    except FileNotFoundError:
        return ""
    except (OSError, EOFError, ValueError) as error:
        return f"its list of files cannot be read: {getattr(error, 'strerror', None) or error}"
    top = os.fsencode(str(container))
    for entry in entries:
        found = _differs(top, entry)
        if found:
            return f"{shown(entry.path)}: {found}"
        alive()
    return _unreadable(top, [one for one in entries if one.kind == "file"], thorough, alive)


def _differs(top: bytes, entry: ListingEntry) -> str:
    path = os.path.join(top, entry.path)
    try:
        about = os.lstat(path)
        if not any(check(about.st_mode) and entry.kind == kind for check, kind in _KINDS):
            return "it is no longer of its kind"
        if entry.kind == "link" and os.readlink(path) != entry.link:
            return "it leads elsewhere"
        if entry.kind == "file" and about.st_size != entry.size:
            return f"it has {about.st_size} bytes instead of {entry.size}"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _unreadable(top: bytes, files: List[ListingEntry], thorough: bool, alive: Callable[[], None]) -> str:
    deadline = time.monotonic() + (THOROUGH if thorough else SAMPLE)
    random.shuffle(files)
    for entry in files:
        if time.monotonic() >= deadline:
            break
        digest = hashlib.sha256()
        try:
            with open(os.path.join(top, entry.path), "rb", buffering=0) as file:
                for chunk in iter(lambda: file.read(_CHUNK), b""):
                    digest.update(chunk)
                    alive()
        except OSError as error:
            return f"{shown(entry.path)}: {error.strerror or error}"
        if entry.sha256 and digest.hexdigest() != entry.sha256:
            return f"{shown(entry.path)}: its bytes are not those that were published"
    return ""
