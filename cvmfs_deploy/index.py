"""The index of a repository: which images there are, what each name means, and who wants it.

It is one small JSON file, replaced as a whole and last. Everything here is pure: an index and changes in, an
index out. An image that no name leads to is *retired*; it stays for its grace time, because jobs run from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import NotFound, Unavailable

RECOVERED = "recovered"
"""Wants a name of which nobody knows who wanted it, until some list or hand does."""
_HISTORY = 5  # digests that a name remembers for a rollback


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer version may have written more


class PublishedImage(_Part):
    """A published image."""

    digest: str
    reference: str
    platform: str
    source: str
    size: int
    """Bytes of its files."""
    entries: int
    compressed: int
    """Bytes of its layers in the registry."""
    layers: tuple[str, ...]
    published: str
    tool: str
    index: str = ""
    """The digest of the index that it was chosen from; descriptors often name that one."""
    grace: float = 0.0
    """Seconds that it stays after the last name has left it."""
    retired: float | None = None
    """When that was, in seconds since 1970; None while a name leads to it."""


class Name(_Part):
    """The meaning of a readable name."""

    digest: str
    reference: str
    platform: str
    since: str
    lists: tuple[str, ...]
    """The wish-lists that name it."""
    grace: float
    singularity: str = ""
    """VIP's name for it, when that is wanted."""
    previous: tuple[str, ...] = ()
    """Digests that it meant before, the last one first."""
    held: bool = False
    """Rolled back by hand: no list moves it before somebody adds it again."""


class UdockerTools(_Part):
    """A version of udocker's tools."""

    digest: str
    published: str
    udocker: str
    """The version of the udocker package."""
    retired: float | None = None


class Index(_Part):
    """The whole index."""

    version: int = 1
    generation: str = ""
    """Another one with each publication: who reads it back knows that his own has come through."""
    written: str = ""
    tool: str = ""
    images: Mapping[str, PublishedImage] = {}
    names: Mapping[str, Name] = {}
    tools: Mapping[str, UdockerTools] = {}
    tools_current: str = ""

    def with_image(self, image: PublishedImage) -> Self:
        """One more image."""
        return self._with(images={**self.images, image.digest: image})

    def with_name(self, name: str, wanted: Name) -> Self:
        """Add a name that leads to an image from now on; what it meant before is remembered."""
        old = self.names.get(name)
        lists = tuple(sorted({*(old.lists if old else ()), *wanted.lists} - {RECOVERED})) or wanted.lists
        if old and old.digest == wanted.digest:
            new = wanted.model_copy(
                update={"lists": lists, "since": old.since, "previous": old.previous, "held": old.held}
            )
        elif old:
            previous = [old.digest, *(one for one in old.previous if one != wanted.digest)]
            new = wanted.model_copy(
                update={"lists": lists, "previous": tuple(previous[:_HISTORY]), "held": False}
            )
        else:
            new = wanted
        return self._with(names={**self.names, name: new})

    def unwanted(self, name: str, list_name: str) -> Self:
        """Remove a wish-list from those that name it; when none is left, remove the name."""
        old = self.names[name]
        left = tuple(one for one in old.lists if one != list_name)
        if left:
            return self._with(names={**self.names, name: old.model_copy(update={"lists": left})})
        return self.without_name(name)

    def without_name(self, name: str) -> Self:
        """Remove a name, whichever lists name it."""
        gone = self.names[name]
        images = dict(self.images)
        if image := images.get(gone.digest):
            images[gone.digest] = image.model_copy(update={"grace": max(image.grace, gone.grace)})
        names = {key: value for key, value in self.names.items() if key != name}
        return self._with(names=names, images=images)

    def rolled_back(self, name: str, now: str) -> Self:
        """Let a name mean again what it meant before, and hold it there.

        Raises:
            NotFound: there is no such name, or nothing before.
        """
        old = self.names.get(name)
        if old is None:
            raise NotFound(f"no published image is called {name}", remedy="see cvmfs-deploy list")
        before = next((digest for digest in old.previous if digest in self.images), None)
        if before is None:
            raise NotFound(f"{name}: nothing that it meant before is still published")
        rest = tuple(digest for digest in old.previous if digest != before)
        new = old.model_copy(
            update={"digest": before, "previous": (old.digest, *rest), "held": True, "since": now}
        )
        return self._with(names={**self.names, name: new})

    def with_named_images(self, now: float) -> Self:
        """Every image knows whether a name leads to it, and since when none does."""
        alive = {name.digest for name in self.names.values()}
        graces: dict[str, float] = {}
        for name in self.names.values():
            for digest in (name.digest, *name.previous):
                graces[digest] = max(graces.get(digest, 0.0), name.grace)
        images = {}
        for digest, image in self.images.items():
            retired = None if digest in alive else (now if image.retired is None else image.retired)
            grace = (
                graces.get(digest, image.grace)
                if retired is None
                else max(image.grace, graces.get(digest, 0))
            )
            images[digest] = image.model_copy(update={"retired": retired, "grace": grace})
        tools = {}
        for digest, one in self.tools.items():
            gone = now if one.retired is None else one.retired
            tools[digest] = one.model_copy(update={"retired": None if digest == self.tools_current else gone})
        return self._with(images=images, tools=tools)

    def expired(self, now: float, grace: float | None = None) -> list[str]:
        """List the digests of images that were retired for longer than their grace time, or than the given
        one.
        """
        return [
            digest
            for digest, image in self.images.items()
            if image.retired is not None and now - image.retired >= (image.grace if grace is None else grace)
        ]

    def expired_tools(self, now: float, grace: float) -> list[str]:
        """List the digests of tools that were replaced longer ago than that."""
        found = self.tools.items()
        return [digest for digest, one in found if one.retired is not None and now - one.retired >= grace]

    def without_images(self, digests: Iterable[str]) -> Self:
        """Images less, and tools."""
        gone = set(digests)
        images = {digest: image for digest, image in self.images.items() if digest not in gone}
        tools = {digest: one for digest, one in self.tools.items() if digest not in gone}
        return self._with(images=images, tools=tools)

    def with_tools(self, tools: UdockerTools) -> Self:
        """Other tools from now on."""
        return self._with(tools={**self.tools, tools.digest: tools}, tools_current=tools.digest)

    def find(self, words: str) -> list[str]:
        """Find the names that a user may mean: the name itself, a reference, or a digest."""
        return [key for key, name in self.names.items() if words in (key, name.reference, name.digest)]

    def same(self, other: Index) -> bool:
        """Say whether they say the same, whenever they were written."""
        plain = {"generation": "", "written": "", "tool": ""}
        return self.model_copy(update=plain) == other.model_copy(update=plain)

    def to_json(self) -> bytes:
        """As it lies in the repository."""
        return (self.model_dump_json(indent=1) + "\n").encode()

    def _with(self, **changes: object) -> Self:
        return self.model_copy(update=changes)


def from_json(data: bytes, where: str) -> Index:
    """Read an index.

    Raises:
        Unavailable: it is damaged, or of a version that we do not know.
    """
    try:
        index = Index.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise Unavailable(
            f"{where} is damaged: {first['msg']}", remedy="cvmfs-deploy recover makes it anew"
        ) from None
    if index.version != 1:
        raise Unavailable(f"{where} was written by a newer cvmfs-deploy ({index.tool})", remedy="upgrade")
    return index
