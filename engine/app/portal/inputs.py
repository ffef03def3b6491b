"""Files of a portal's user: what `/vip/...` and `platform:reference` mean to the planner.

Nothing else is a file there: no path of this machine, no `file:`, and no URL of a host that an administrator
has not registered as a storage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from engine.app.access.tokens import Segments
from engine.app.data import platforms
from engine.app.data.locations import path_of, url_of
from engine.app.portal import sessions, virtual
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.girder_locations import check_girder_location
from engine.app.portal.site import site_of
from engine.app.portal.tree import FileTree
from engine.app.portal.virtual import Kind, VirtualTarget
from engine.domain.account import Account
from engine.domain.catalogue import SCHEME
from engine.domain.urls import below
from engine.errors import BadRequest, CredentialExpired, NotFound
from engine.settings.tree import Settings

_MANY = 100_000


class Inputs:
    """The files of one account, for one launch."""

    def __init__(
        self,
        account: Account,
        settings: Settings,
        tree: FileTree,
        *,
        remote: bool,
        shared: bool = False,
        url_of_id: Callable[[str, str], str | None] = lambda url, text: None,
        coming: Collection[str] = (),
    ) -> None:
        """`remote`: jobs run on other machines. `shared`: files of `portal.shared`, and logical names, may be
        named too. `url_of_id`: (URL of a platform, text) -> the URL of what has this id there.
        `coming`: virtual paths of files that need not be there yet.
        """
        self._account = account
        self._settings = settings
        self._tree = tree
        self._site = site_of(settings)
        self._remote = remote
        self._shared = shared
        self._url_of_id = url_of_id
        self._used: dict[str, None] = {}
        self._paths_coming = frozenset(coming)
        self.coming: set[str] = set()
        """What the planner knows of these: it need not look for them."""
        self.understand = lru_cache(maxsize=_MANY)(self._understand)
        """What a File value means to the planner: an absolute path or a URL.

        Raises:
            CarminError: it is not there, or not for this account.
        """

    @property
    def names_used(self) -> list[str]:
        """Logical names of all files that were asked for."""
        return list(self._used)

    def look_at(self, given: Iterable[tuple[str, str]]) -> None:
        """Return if all of these, ids of inputs and their values, are files of this account; a storage is
        asked for several at a time.

        Raises:
            CarminError: the first that is not there, or not for this account.
        """
        wanted: dict[str, str] = {}
        for id_, value in given:
            wanted.setdefault(value, id_)
        self._used.update(dict.fromkeys(wanted))

        def look(value: str) -> None:
            try:
                self.understand(value)
            except CarminError as refusal:
                words = f"input {wanted[value]}: {refusal.message}"
                raise CarminError(refusal.code, words, remedy=refusal.remedy) from None

        with ThreadPoolExecutor(self._settings.data.parallel) as pool:
            for _ in pool.map(look, wanted):  # the first refusal gives up the rest
                pass

    def _understand(self, value: str) -> str:
        self._used[value] = None
        if not value:
            raise CarminError(Code.BAD_INPUT, "the name of the file is empty", remedy="a file is /vip/...")
        if not value.startswith("/"):
            return self._platform(value)
        location = virtual.locate_text(self._account, value)
        if location.kind is Kind.ABOVE:
            raise CarminError(Code.DATA_NOT_ALLOWED, f"{location.text} cannot be an input")
        if value in self._paths_coming:
            self.coming.add(self._tree.address(location.stored, remote=self._remote))
            return self._tree.address(location.stored, remote=self._remote)
        try:
            self._tree.item(location.stored)
        except OSError:
            raise CarminError(Code.BAD_INPUT, f"{location.text}: no such file") from None
        return self._tree.address(location.stored, remote=self._remote)

    def _platform(self, value: str) -> str:
        if self._shared and value.startswith("file:"):
            return self._of_shared(value)
        if self._shared and value.startswith(SCHEME):
            return value
        check_girder_location(value, self._settings.storages)
        name, colon, reference = value.partition(":")
        if not colon or name not in self._settings.storages or reference.startswith("//"):
            raise CarminError(
                Code.DATA_NOT_ALLOWED,
                f"{_named(value)}: no file of yours, and no external platform that is known here",
                remedy="a file is /vip/..., or PLATFORM:REFERENCE",
            )
        if ".." in reference.split("/"):
            raise CarminError(Code.DATA_NOT_ALLOWED, f"{_named(value)}: a path on a platform has no ..")
        if self._site and self._site.overlaps(url_of(value, self._settings.storages) or value):
            raise CarminError(  # it would be a way around the rule whose files are whose
                Code.DATA_NOT_ALLOWED, f"{_named(value)}: files of the platform itself are called /vip/..."
            )
        if sessions.is_platform(name, self._settings.storages):
            return sessions.source_url(reference, self._settings.storages[name])
        return self._identified(name, reference) or value

    def _identified(self, name: str, reference: str) -> str | None:
        """Find the URL of what is named by an id at a platform; None when that is no id.

        Raises:
            CarminError: there is nothing of this id, or it does not lie in what is known of the platform.
        """
        base = self._settings.storages[name].url
        try:
            url = self._url_of_id(base, reference)
        except (NotFound, BadRequest, CredentialExpired) as error:
            raise CarminError(Code.BAD_INPUT, f"{name}: {error.message}", remedy=error.remedy) from None
        if url is not None and below(url, base) is None:
            raise CarminError(
                Code.DATA_NOT_ALLOWED, f"{name}:{reference}: not in what is known here of {name}"
            )
        return url

    def _of_shared(self, value: str) -> str:
        """Resolve a path in a directory that an administrator shares, whatever links lead there."""
        path = Path(os.path.realpath(path_of(value)))
        if not any(path.is_relative_to(os.path.realpath(one)) for one in self._settings.portal.shared):
            raise CarminError(Code.DATA_NOT_ALLOWED, f"{value[:200]}: not in a directory of portal.shared")
        return str(path)

    def names(self, value: str) -> Sequence[str] | None:
        """Names of the files in a directory of the account; None when it is none."""
        if not value.startswith("/"):
            return None
        try:
            found = self._tree.items(virtual.locate_text(self._account, value).stored)
            return [one.name for one in found if not one.directory]
        except OSError:
            return None

    def results(
        self, location: str, check: Callable[[Segments], None] = lambda _: None
    ) -> tuple[Path, Sequence[str], Sequence[str]]:
        """Find the directory where an execution has its results, the storages that get them instead, and URLs
        of directories that get copies. `check` is called with what will be made, and refuses what may not be.

        Raises:
            CarminError: it cannot be written by this account.
        """
        if self._shared and location.startswith("file:"):
            return Path(self._of_shared(location)), [], []
        records = virtual.logs_of(self._account.id)
        if self._shared and location.startswith(SCHEME):
            return self._records(records), self._settings.data.results, []
        name, _, reference = location.partition(":")
        if sessions.is_platform(name, self._settings.storages):
            target = sessions.target_url(reference, self._settings.storages[name])
            return self._records(records), [], [target]
        if not location.startswith("/"):
            url = self._platform(location)
            if url != location or platforms.has_keys(self._settings.storages[name]):
                directory = url_of(url, self._settings.storages) or url
                return self._records(records), [], [directory]  # the files themselves, with its user's key
            return self._records(records), [location], []
        found: VirtualTarget = virtual.locate_text(self._account, location)
        if found.kind is Kind.ABOVE:
            raise CarminError(Code.DATA_NOT_ALLOWED, f"{found.text}: results cannot be put there")
        check((*found.stored, "results"))
        try:
            return (*self._tree.results(found.stored, records, remote=self._remote), [])
        except OSError as error:
            raise _not_there(error) from None

    def _records(self, stored: Segments) -> Path:
        try:
            return self._tree.records(stored)
        except OSError as error:
            raise _not_there(error) from None


def _not_there(error: OSError) -> CarminError:
    return CarminError(Code.DATA_NOT_ALLOWED, f"results cannot be put there: {error.strerror}")


def _named(value: str) -> str:
    """Return a location for a message: without what follows its name, which may be tokens."""
    return value.partition("?")[0][:200]
