"""Where everything lies in a repository. Paths are relative to its top, with `/`.

vip/udocker/containers/                    `root` in the settings: udocker containers, for nodes and loops
  .store/sha256-HEX/                       one per image digest, never changed: see `create`
  .store/sha256-INDEX                      -> sha256-HEX, when the image was chosen from an index
  .store/sha256-INDEX+linux+arm64          -> sha256-HEX, the same for machines of another platform
  .store/index.json                        what there is, and what every name means: see `index`
  .store/index.copy.json                   the same, for the day when the first is damaged
  docker.io+library+busybox@1.36           -> .store/sha256-HEX
vip/udocker/singularity/busybox-1.36       -> ../containers/.store/sha256-HEX/ROOT, when asked for
vip/udocker/tools/.store/sha256-HEX/       udocker's tools and the udocker package
vip/udocker/tools/current                  -> .store/sha256-HEX
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadRequest
from wrappers.containers import cvmfs, udocker_format
from wrappers.containers.reference import Reference

_LONGEST = 255  # bytes of a file name
# `cvmfs_server` hands paths to a shell (2.11): nothing else may be in one
_SAFE = re.compile(r"[A-Za-z0-9._@+-]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below the top of a repository."""

    root: str
    """The directory of udocker containers."""

    @property
    def store(self) -> str:
        """The directory of images by digest."""
        return f"{self.root}/{cvmfs.STORE}"

    @property
    def index(self) -> str:
        """The file that lists them."""
        return f"{self.store}/index.json"

    @property
    def copy(self) -> str:
        """The copy of that file."""
        return f"{self.store}/index.copy.json"

    @property
    def singularity(self) -> str:
        """The directory of links that VIP uses with singularity."""
        return posixpath.normpath(f"{self.root}/../singularity")

    @property
    def tools(self) -> str:
        """The directory of udocker's tools."""
        return posixpath.normpath(f"{self.root}/../tools")

    def image(self, digest: str) -> str:
        """Return the container directory of an image."""
        return f"{self.store}/{cvmfs.directory_name(digest)}"

    def name_link(self, name: str, digest: str) -> tuple[str, str]:
        """Return the link that people and udocker use, and where it leads."""
        return f"{self.root}/{name}", f"{cvmfs.STORE}/{cvmfs.directory_name(digest)}"

    def index_link(self, index: str, platform: str, digest: str) -> tuple[str, str]:
        """Return the link that stands for an index on machines of a platform, and the image that it means
        there.
        """
        return f"{self.store}/{cvmfs.index_name(index, platform)}", cvmfs.directory_name(digest)

    def singularity_link(self, name: str, digest: str) -> tuple[str, str]:
        """Return the link that VIP uses, and where it leads."""
        tree = f"{self.image(digest)}/{udocker_format.ROOT}"
        return f"{self.singularity}/{name}", posixpath.relpath(tree, self.singularity)

    def tools_image(self, digest: str) -> str:
        """Return the directory of one version of the tools."""
        return f"{self.tools}/{cvmfs.STORE}/{cvmfs.directory_name(digest)}"

    def tools_link(self, digest: str) -> tuple[str, str]:
        """Return the link to the tools that jobs use."""
        return f"{self.tools}/current", f"{cvmfs.STORE}/{cvmfs.directory_name(digest)}"


def public_name(reference: Reference, platform: str) -> str:
    """Return the readable name of an image.

    Raises:
        BadRequest: it does not fit into a file name.
    """
    name = cvmfs.name_for(reference, platform)
    if len(name) > _LONGEST:
        raise BadRequest(f"{reference.text}: its name has {len(name)} characters, a file name {_LONGEST}")
    return name


def singularity_name(reference: Reference) -> str:
    """VIP's name of an image: `<name>-<tag>`, without registry and namespace."""
    tag = reference.tag or cvmfs.directory_name(reference.digest)
    return f"{reference.repository.rpartition('/')[2]}-{tag}"


def checked(path: str) -> str:
    """Check a path of ours, which is about to be handed to others.

    Raises:
        ValueError: it has a character that a shell would understand. A defect of ours.
    """
    if not all(_SAFE.fullmatch(part) and part != ".." for part in path.split("/")):
        raise ValueError(f"unsafe path in the repository: {path!r}")
    return path


def existing_links(top: Path, directory: str) -> dict[str, str]:
    """List a directory of the repository by name: where links lead, and "" for what is no link."""
    try:
        entries = sorted(os.scandir(top / directory), key=lambda entry: entry.name)
    except FileNotFoundError:
        return {}
    return {
        f"{directory}/{entry.name}": os.readlink(entry.path) if entry.is_symlink() else ""
        for entry in entries
        if not entry.name.startswith(".")
    }


def existing_trees(top: Path, directory: str) -> set[str]:
    """List the names of directories, without hidden ones."""
    try:
        entries = list(os.scandir(top / directory))
    except FileNotFoundError:
        return set()
    return {one.name for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")}
