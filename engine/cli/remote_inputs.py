"""Files of this machine as inputs at a daemon: they are uploaded into the home of their user, each content
once, and named by the checksum of what they hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.app.data.locations import path_of
from engine.app.data.unfetched import problem_of
from engine.app.data.uploads import digest_of
from engine.app.files import resolve_files
from engine.domain.tool import Tool
from engine.errors import BadRequest

if TYPE_CHECKING:
    from engine.client.files import FilesClient

DIRECTORY = "/vip/Home/inputs"
"""Below it are uploaded files: DIGEST/NAME."""
_DIGITS = 32
_MANY = 100_000
_PLATFORM = "/vip/"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*:")


class LocalInputs:
    """Knows which files of this machine an execution needs, and where they will be at the daemon."""

    def __init__(self) -> None:
        self.coming: dict[str, Path] = {}
        """Path at the platform -> path here."""
        self._platform_path = lru_cache(maxsize=_MANY)(self._look)

    def resolve(self, tool: Tool, invocation: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Name the files of an invocation as the platform does, and list what is wrong with them."""
        return resolve_files(tool, invocation, self._platform_path)

    def upload(self, files: FilesClient) -> None:
        """Bring all of them that are not there yet.

        Raises:
            BadRequest: one cannot be brought.
        """
        for path, source in self.coming.items():
            files.bring(source, path)

    def _look(self, value: str) -> str:
        local = path_of(value)
        if value.startswith(_PLATFORM) or (
            local == value and _SCHEME.match(value) and not os.path.lexists(value)
        ):
            return value  # a file of the platform, or of a storage that it knows
        if not value:
            raise BadRequest("'' has no file name")
        full = Path(os.path.normpath(Path.cwd() / local))
        if problem := problem_of(str(full)):
            raise BadRequest(f"{full}: {problem}")
        path = _placed(full)
        self.coming[path] = full
        return path


def _placed(source: Path) -> str:
    return f"{DIRECTORY}/{digest_of(source)[:_DIGITS]}/{source.name}"
