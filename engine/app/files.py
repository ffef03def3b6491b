"""Local files that invocations name: made absolute, and seen to be there, before anything is submitted."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from engine.domain.tool import InputType, Tool
from engine.errors import BadRequest

_MANY = 100_000  # inputs of a sweep that are looked at once only


class Files:
    """Turns File values into URLs.

    Relative paths resolve against `directory`, the current one by default.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path.cwd()
        self._kind = lru_cache(maxsize=_MANY)(_kind_of)

    def settle(
        self, tool: Tool, invocation: Mapping[str, Any], defaults: Collection[str] = ()
    ) -> tuple[dict[str, Any], list[str]]:
        """The invocation with absolute File values, and what is wrong with them.

        Of inputs without a value, only those named by `defaults` get theirs: a default that is written
        down would count as the user's choice, and no longer yield to another.
        """
        settled, problems = dict(invocation), []
        for wanted in tool.inputs:
            value = invocation.get(wanted.id, wanted.default if wanted.id in defaults else None)
            if wanted.type != InputType.FILE or not isinstance(value, (str, list)):
                continue  # absent, or of a type that expansion refuses in better words
            try:
                settled[wanted.id] = (
                    [self.absolute(one) if isinstance(one, str) else one for one in value]
                    if isinstance(value, list)
                    else self.absolute(value)
                )
            except BadRequest as error:
                problems.append(f"input {wanted.id}: {error}")
        return settled, problems

    def absolute(self, value: str) -> str:
        """An absolute path that exists.

        Raises:
            BadRequest: there is no such file, it cannot be read, or its scheme is not available.
        """
        scheme = urlsplit(value).scheme if "://" in value else ""
        if scheme not in ("", "file"):
            raise BadRequest(
                f"{value}: {scheme}: is not available yet", remedy="bring the file to this machine"
            )
        path = unquote(urlsplit(value).path) if scheme else value
        full = os.path.normpath(os.path.join(self._directory, path))
        problem = self._kind(full)
        if problem:
            raise BadRequest(f"{full}: {problem}")
        return full


def _kind_of(path: str) -> str:
    if not os.path.exists(path):
        return "no such file"
    if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
        return "may not be read by this user"
    return ""
