"""Files that invocations name: made absolute, and seen to be there, before anything is submitted."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.app.data.locations import path_of, url_of
from engine.app.data.remote import Remote
from engine.app.data.unfetched import lacks_content, participants, problem_of
from engine.app.data.uploads import weight
from engine.domain.tool import InputType, Tool
from engine.errors import BadRequest
from engine.planning import InputFile
from engine.settings.data import StorageSection
from engine.store.sources import ExecutionSource

_MANY = 100_000  # inputs of a sweep that are looked at once only


def resolve_files(
    tool: Tool,
    invocation: Mapping[str, Any],
    resolve: Callable[[str], str],
    defaults: Collection[str] = (),
) -> tuple[dict[str, Any], list[str]]:
    """Put what `resolve` gives in the place of each File value, and list what it refuses (BadRequest)."""
    resolved, problems = dict(invocation), []
    for wanted in tool.inputs:
        value = invocation.get(wanted.id, wanted.default if wanted.id in defaults else None)
        if wanted.type != InputType.FILE or not isinstance(value, (str, list)):
            continue  # absent, or of a type that expansion refuses in better words
        try:
            resolved[wanted.id] = (
                [resolve(one) if isinstance(one, str) else one for one in value]
                if isinstance(value, list)
                else resolve(value)
            )
        except BadRequest as error:
            problems.append(f"input {wanted.id}: {error}")
    return resolved, problems


class FileResolver:
    """Resolver of File values into absolute paths and URLs.

    Relative paths resolve against `directory`, the current one by default. Jobs that run elsewhere take local
    files of `travelling` bytes along, all together; `staging` tells the storage for more, or refuses.
    """

    def __init__(
        self,
        remote: Remote,
        storages: Mapping[str, StorageSection],
        staging: Callable[[], str],
        travelling: int,
        directory: Path | None = None,
        *,
        understand: Callable[[str], str] | None = None,
        coming: Collection[str] = (),
    ) -> None:
        """`understand`, `coming`: see `engine.app.requests.SubmitRequest`."""
        self._remote = remote
        self._storages = storages
        self._staging = staging
        self._room = travelling
        self._travel: set[str] = set()
        self._directory = directory or Path.cwd()
        self._understand = understand
        self._coming = coming
        self._kind = lru_cache(maxsize=_MANY)(problem_of)
        self._lacks = lru_cache(maxsize=_MANY)(lacks_content)

    @property
    def transforms(self) -> bool:
        """Whether File values are anything but paths and URLs as they are."""
        return self._understand is not None

    def prefetch(self, tool: Tool, invocations: Iterable[Mapping[str, Any]]) -> None:
        """Look at all their files on storages together: one after the other would take long."""
        if self._understand is not None:
            return
        ids = [wanted.id for wanted in tool.inputs if wanted.type == InputType.FILE]
        values = (value for one in invocations for id_ in ids for value in _texts(one.get(id_)))
        urls: list[str] = []
        for value in values:
            with suppress(BadRequest):  # told when its invocation is settled
                if url := url_of(value, self._storages):
                    urls.append(url)
        self._remote.prefetch(urls)

    def resolve(
        self, tool: Tool, invocation: Mapping[str, Any], defaults: Collection[str] = ()
    ) -> tuple[dict[str, Any], list[str]]:
        """Make File values of the invocation absolute, and list what is wrong with them.

        Of inputs without a value, only those named by `defaults` get theirs: a default that is written
        down would count as the user's choice, and no longer yield to another.
        """
        resolved, problems = resolve_files(tool, invocation, self.absolute, defaults)
        if not problems and self._understand is None:
            problems += participants(tool, resolved, self._lacks)
        return resolved, problems

    def sources(self, inputs: Sequence[InputFile], *, bring: bool) -> list[ExecutionSource]:
        """Return where jobs find these, unless it is simply their path; local files are to be brought, if
        asked.

        Raises:
            BadRequest: there is no storage to bring them to.
        """
        found = []
        for one in inputs:
            if one.source in self._coming:
                continue
            if not os.path.isabs(one.source):
                found.append(self._remote.source(one.source))
            elif bring:
                found.append(ExecutionSource(one.source, "", packed=os.path.isdir(one.source)))
                self._reserve(found[-1])
        return found

    def _reserve(self, one: ExecutionSource) -> None:
        """See that a local file can come to where jobs run: with these, or by a storage when there is no room
        for all of them.
        """
        if self._room >= 0 and one.value not in self._travel:
            self._travel.add(one.value)
            self._room -= weight([one])
        if self._room < 0:
            self._travel.clear()
            self._staging()

    def absolute(self, value: str) -> str:
        """Return an absolute path or a URL of a file that exists.

        Raises:
            BadRequest: there is no such file, it cannot be read, or its scheme is not available.
            Unavailable, CredentialExpired: its storage cannot say.
        """
        if self._understand is not None:
            value = self._understand(value)
            if value in self._coming:
                return value
        if url := url_of(value, self._storages):
            return self._remote.source(url).value
        if not value:
            raise BadRequest("'' has no file name")
        full = os.path.normpath(os.path.join(self._directory, path_of(value)))
        problem = self._kind(full)
        if problem:
            raise BadRequest(f"{full}: {problem}")
        return full


def _texts(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
