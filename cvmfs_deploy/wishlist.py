"""The images that a repository is to hold: a YAML file, or what Boutiques descriptors name."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cvmfs_deploy.documents import DocumentSection, read
from cvmfs_deploy.failures import translated
from cvmfs_deploy.units import Duration
from engine.errors import BadRequest, EngineError, NotFound
from wrappers.containers.platforms import USUAL_PLATFORM
from wrappers.containers.reference import Reference, parse

Layout = Literal["udocker", "singularity"]
BY_HAND = "by-hand"
"""The list of images that were added one by one: only `retire` takes them away."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")
_MAGIC = re.compile(r"[*?\[]")


class WishlistEntry(DocumentSection):
    """An image, or all tags of an image that fit a pattern."""

    image: str
    registry: str = ""
    platforms: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    grace: Duration | None = None
    newest: int | None = Field(default=None, ge=1)
    exclude: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"image": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            with translated():
                self.reference()
        except EngineError as error:
            raise ValueError(error.message) from None
        if not self.pattern and (self.newest or self.exclude):
            raise ValueError("newest and exclude need a tag with *, ? or []")
        if wrong := [name for name in self.platforms if not _PLATFORM.fullmatch(name)]:
            raise ValueError(f"platforms: {wrong[0]!r} is not of the form linux/amd64")
        return self

    @property
    def pattern(self) -> str:
        """The pattern of tags; "" when one image is named."""
        path, _, tag = self.image.rpartition(":")
        return tag if path and "/" not in tag and _MAGIC.search(tag) else ""

    def reference(self) -> Reference:
        """Parse the image, or with a pattern its repository. Raises InvalidReference."""
        text = self.image.removesuffix(":" + self.pattern) if self.pattern else self.image
        return parse(text, index=self.registry)

    def chosen(self, tags: Sequence[str]) -> list[str]:
        """Choose the tags that the entry asks for, newest version first."""
        kept = [tag for tag in tags if fnmatch.fnmatchcase(tag, self.pattern)]
        kept = [tag for tag in kept if not any(fnmatch.fnmatchcase(tag, no) for no in self.exclude)]
        return sorted(kept, key=version, reverse=True)[: self.newest]


class WishList(DocumentSection):
    """The entries of the file, with what holds when one does not say."""

    name: str = ""
    registry: str = ""
    platforms: tuple[str, ...] = (USUAL_PLATFORM,)
    layouts: tuple[Layout, ...] = ("udocker",)
    grace: Duration = 30 * 86400.0
    images: tuple[WishlistEntry, ...] = ()

    def filled(self, entry: WishlistEntry) -> WishlistEntry:
        """Fill in every blank of an entry."""
        return entry.model_copy(
            update={
                "registry": entry.registry or self.registry,
                "platforms": entry.platforms or self.platforms,
                "layouts": entry.layouts or self.layouts,
                "grace": self.grace if entry.grace is None else entry.grace,
            }
        )

    def entries(self) -> list[WishlistEntry]:
        """All entries, every blank filled in."""
        return [self.filled(entry) for entry in self.images]


def load(path: Path) -> WishList:
    """Read a wish-list; its name is that of the file when it has none.

    Raises:
        NotFound, BadRequest: the file, or what it says.
    """
    wish_list = read(path, WishList)
    wish_list = wish_list.model_copy(update={"name": wish_list.name or path.stem})
    if not _NAME.fullmatch(wish_list.name) or wish_list.name == BY_HAND:
        raise BadRequest(f"{path}: name: {wish_list.name!r} must be letters, digits, '.', '_' and '-'")
    return wish_list


def from_descriptors(directory: Path) -> tuple[WishList, list[str]]:
    """Every image that the descriptors below a directory name; and a word on each file that was passed over.

    Raises:
        NotFound: there is no such directory, or no descriptor in it.
    """
    if not directory.is_dir():
        raise NotFound(f"{directory}: no such directory")
    found: dict[str, WishlistEntry] = {}
    passed: list[str] = []
    for path in sorted(directory.rglob("*.json")):
        try:
            entry = _image_of(path)
        except ValueError as error:
            passed.append(f"{path}: passed over: {error}")
            continue
        if entry:
            found.setdefault(entry.reference().text, entry)
    if not found:
        raise NotFound(f"{directory}: no Boutiques descriptor in it names an image")
    return WishList(name=_list_name(directory), images=tuple(found.values())), passed


def _image_of(path: Path) -> WishlistEntry | None:
    """Read the image that a descriptor names; None when the file is no descriptor, or needs no image."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    container = document.get("container-image") if isinstance(document, dict) else None
    if not isinstance(container, dict) or "command-line" not in document:
        return None
    if container.get("type") == "rootfs" or not isinstance(container.get("image"), str):
        raise ValueError("its image is not one of a registry")
    # the same words as in a wish-list, and the same checks
    return WishlistEntry(image=container["image"], registry=str(container.get("index") or ""))


def _list_name(directory: Path) -> str:
    name = re.sub("[^A-Za-z0-9._-]", "-", directory.resolve().name).lstrip("._-")
    return f"descriptors-{name}"


def version(tag: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts tags as people number them: 1.9 before 1.10, 2.0-rc1 before 2.0."""
    parts = re.findall(r"\d+|[A-Za-z]+", tag)
    key = [(2, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in parts]
    return (*key, (1, 0, ""))
