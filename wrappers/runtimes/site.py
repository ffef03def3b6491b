"""Images that a site keeps as files or directories: by VIP's names, or where a descriptor says.

Nothing says which bytes they are, so the report warns. A path is looked at only below the directory that
the setting `images` names, or below /cvmfs: a descriptor must not choose among the node's own files.
"""

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, Optional, TypeVar

from wrappers import wire
from wrappers.containers import timed, udocker_format
from wrappers.containers.reference import parse, site_names

_CVMFS = Path("/cvmfs")
# As singularity and apptainer write it when they make an image from Docker's.
_EXPORT = re.compile(r'^export ([A-Za-z_]\w*)="?(?:\$\{\1:-)?"?([^"$`\\}]*)', re.MULTILINE)
_SIGNS = ("bin", "usr")
T = TypeVar("T")


def find(image: wire.Image, node: wire.Node) -> Optional[Path]:
    """Find the first that is there."""
    return next((path for path in _candidates(image, node) if _answer(path, path.exists, False)), None)


def find_tree(image: wire.Image, node: wire.Node) -> Optional[Path]:
    """Find the first that is an unpacked image."""
    found = (path for path in _candidates(image, node) if _answer(path, partial(_is_tree, path), False))
    return next(found, None)


def warning(path: Path, image: wire.Image) -> str:
    """Write what the report says of it."""
    which = f"that it is {image.digest}" if image.digest else "which bytes it holds"
    return f"the image {path} was taken by its name; nothing says {which}"


def as_container(path: Path, into: Path) -> Path:
    """Make a udocker container directory of the unpacked image, with the variables that it sets."""
    into.mkdir(parents=True, exist_ok=True)
    root = into / udocker_format.ROOT
    if not root.is_symlink():
        root.symlink_to(path)
    nothing: Dict[str, str] = {}
    found = _answer(path, lambda: _environment(path), nothing)
    variables = [f"{name}={value}" for name, value in found.items()]
    (into / "container.json").write_text(json.dumps({"config": {"Env": variables}}), encoding="utf-8")
    return into


def _answer(path: Path, ask: Callable[[], T], otherwise: T) -> T:
    """Ask about a path of the site; return `otherwise` when it cannot be read, or not in time."""
    try:
        found: T = timed.at(str(path.parent), lambda alive: ask())
        return found
    except OSError:
        return otherwise


def _is_tree(path: Path) -> bool:
    return any((path / sign).is_dir() for sign in _SIGNS)


def _candidates(image: wire.Image, node: wire.Node) -> Iterator[Path]:
    images = Path(os.path.normpath(node.images)) if node.images else None
    if image.path:
        wanted = Path(os.path.normpath(os.path.join(str(images or ""), image.path)))
        if any(_is_below(wanted, top) for top in (images, _CVMFS) if top is not None):
            yield wanted
    if images and not image.url:
        for name in site_names(parse(image.reference)):
            yield images / name


def _is_below(path: Path, top: Path) -> bool:
    return path.is_absolute() and top in path.parents


def _environment(path: Path) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for file in sorted((path / ".singularity.d" / "env").glob("10-*.sh")):
        try:
            found.update(_EXPORT.findall(file.read_text(encoding="utf-8", errors="replace")))
        except OSError:
            continue  # closed to this account
    return found
