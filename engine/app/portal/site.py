"""Where the virtual tree lies, and which URLs are inside of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.app.access.paths import BadPath, encoded, segments
from engine.app.access.paths import below as path_below
from engine.app.access.tokens import Segments
from engine.app.data.locations import aliases_of, url_of
from engine.domain.file_urls import names_of
from engine.domain.urls import below
from engine.errors import SettingsError
from engine.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class TreeStorage:
    """The storage that holds the tree."""

    url: str
    aliases: Sequence[str] = ()
    """Further URLs of the same."""

    def url_of(self, path: Segments) -> str:
        """Return the URL of something in the tree."""
        return f"{self.url}/{encoded(path)}" if path else self.url

    def path_of(self, url: str) -> Segments | None:
        """Return where a URL leads in the tree, however it is written; None when it is elsewhere, or no
        path.
        """
        try:
            rest = next(self._rests(_plain(url)), None)
        except BadPath:
            return None
        return None if rest is None else segments(rest.encode("ascii"))

    def overlaps(self, url: str) -> bool:
        """Say whether a URL leads into the tree, or to a directory that holds it; also when nobody can
        say.
        """
        try:
            plain = _plain(url)
        except BadPath:
            return True
        return any(True for _ in self._rests(plain)) or any(
            below(one, plain) is not None for one in self._bases()
        )

    def _rests(self, plain: str) -> Iterator[str]:
        return (rest for base in self._bases() if (rest := below(plain, base)) is not None)

    def _bases(self) -> Iterator[str]:
        return (_plain(one) for one in (self.url, *self.aliases))


def site_of(settings: Settings) -> TreeStorage | None:
    """Find the storage of the tree; None when the tree is in the directory `api.root`.

    Raises:
        SettingsError: `portal.tree` is no storage, or one that cannot hold a tree.
    """
    given = settings.portal.tree
    if not given:
        return None
    url = url_of(given, settings.storages)
    if url is None or "?" in url or not _is_path(url):
        raise SettingsError(
            f"setting portal.tree: {given} is no storage",
            remedy="write a URL, or STORAGE:PATH of the settings; a directory of this machine is api.root",
        )
    if urlsplit(url).scheme == "lfn":
        raise SettingsError(
            f"setting portal.tree: {given} has no directories that users can make, and renames nothing",
            remedy="write the URL of a storage; files of lfn: can be inputs all the same",
        )
    return TreeStorage(url.rstrip("/"), tuple(aliases_of(url.rstrip("/"), settings.storages)))


def path_on_this_machine(url: str, root: Segments, embedded: str) -> Segments | None:
    """Return where a URL leads in the embedded storage; None when it is elsewhere. `root` are the names of
    its directory, `embedded` is its URL, empty when it has none.
    """
    if url.startswith("file:"):
        names = names_of(url)
        return names[len(root) :] if names[: len(root)] == root else None
    try:
        return path_below(url, embedded) if embedded else None
    except BadPath:
        return None


def _is_path(url: str) -> bool:
    try:
        return bool(_plain(url))
    except BadPath:
        return False


def _plain(url: str) -> str:
    """Return a URL without its query, in which no name hides behind escapes or repeated slashes.

    Raises:
        BadPath: its path is none.
    """
    parts = urlsplit(url)
    path = segments(parts.path.encode("utf-8", "surrogateescape"))
    return f"{parts.scheme}://{parts.netloc}/{encoded(path)}"
