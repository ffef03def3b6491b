"""udocker's tools and the udocker package as a tree to publish, so that nodes need nothing from outside.

bin/proot-x86_64-4_8_0 ...     from udocker's tools tarball: programs
lib/VERSION ...                and libraries
python/udocker/                the package, as it is installed beside this program
SOURCE                         where it came from: programs under the GPL must say so
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import os
import posixpath
import shutil
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cvmfs_deploy import listing
from cvmfs_deploy.create import scan
from engine.errors import BadRequest, Unavailable
from wrappers.containers.listing import TREE
from wrappers.containers.members import opened, pieces_of

_LARGEST = 200 << 20  # bytes
_TIMEOUT_S = 60.0  # seconds without a byte


@dataclass(frozen=True, slots=True)
class BuiltToolset:
    """A tree of tools."""

    digest: str
    """Of its list of files: the same tools have the same digest."""
    udocker: str
    programs: tuple[str, ...]


def make(tarball: str, sha256: str, into: Path) -> BuiltToolset:
    """Make the tree `into`, which must not exist, from a tarball (path or URL).

    Raises:
        BadRequest: it is no tools tarball, or not the one that `sha256` names; a URL without `sha256`.
        Unavailable: it cannot be fetched.
    """
    if "://" in tarball and not sha256:
        raise BadRequest(f"{tarball}: a URL needs --sha256")
    into.mkdir(parents=True)
    archive = into / "tools.tar.gz"
    found = _fetch(tarball, archive)
    if sha256 and found != sha256.lower():
        raise BadRequest(f"{tarball}: its sha256 is {found}, not {sha256}")
    _unpack(archive, into, tarball)
    archive.unlink()
    version = _add_package(into / "python")
    name = tarball if "://" in tarball else os.path.basename(tarball)
    (into / "SOURCE").write_text(f"{name}\nsha256 {found}\nudocker {version} from the Python package index\n")
    for path in [into, *into.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    programs = tuple(sorted(path.name for path in (into / "bin").iterdir()))
    if not any(program.startswith("proot") for program in programs):
        raise BadRequest(f"{tarball}: it holds no proot")
    return BuiltToolset(_listed(into), version, programs)


def _listed(tree: Path) -> str:
    """Write the tree's list of files; returns its digest, which is the same for the same tools."""
    for path in tree.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    text = listing.write(scan(tree))
    (tree / TREE).write_bytes(gzip.compress(text, 6, mtime=0))
    return "sha256:" + hashlib.sha256(text).hexdigest()


def _fetch(tarball: str, into: Path) -> str:
    digest = hashlib.sha256()
    source = tarball if "://" in tarball else "file://" + os.path.abspath(tarball)
    if not source.startswith(("http://", "https://", "file://")):
        raise BadRequest(f"{tarball}: only http and https URLs, and paths, are understood")
    try:
        with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as stream, open(into, "wb") as file:  # noqa: S310
            for chunk in iter(lambda: stream.read(1 << 18), b""):
                digest.update(chunk)
                file.write(chunk)
                if file.tell() > _LARGEST:
                    raise BadRequest(f"{tarball}: it is larger than any tools tarball")
    except OSError as error:
        raise Unavailable(f"{tarball}: {getattr(error, 'reason', None) or error.strerror or error}") from None
    return digest.hexdigest()


def _unpack(archive: Path, into: Path, name: str) -> None:
    for folder in ("bin", "lib"):
        (into / folder).mkdir()
    try:
        with opened(str(archive)) as tar:
            for member in tar:
                folder, base = posixpath.split(posixpath.normpath(member.name))
                if posixpath.basename(folder) not in ("bin", "lib") or base in ("", ".", ".."):
                    continue
                target = into / posixpath.basename(folder) / base
                if member.isfile():
                    with open(target, "wb") as file:
                        file.writelines(pieces_of(tar, member))
                elif member.issym() and "/" not in member.linkname:
                    target.symlink_to(member.linkname)
    except (tarfile.TarError, OSError) as error:
        raise BadRequest(f"{name}: cannot be read as a tools tarball: {error}") from None


def _add_package(into: Path) -> str:
    found = importlib.util.find_spec("udocker")  # found, not imported: it would read its settings
    locations = found.submodule_search_locations if found else None
    if not locations:
        raise Unavailable("the udocker package is not installed beside cvmfs-deploy")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(locations[0], into / "udocker", ignore=ignored, copy_function=shutil.copyfile)
    return importlib.metadata.version("udocker")
