"""Under which names a job finds its input files: bare ones in its own directory, as VIP promises tools."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from engine.domain.tool import InputType, Tool

INVOCATION_FILE = "input_params.json"
"""The invocation, in every job's directory."""
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=/)").match
_WEB = frozenset({"http", "https", "dav", "davs"})


class InputFile(NamedTuple):
    """A file that a job reads."""

    id: str
    source: str
    """As the invocation gives it: a path or a URL."""
    name: str
    """Where the tool finds it, relative to the job's directory; "" when the source has no usable name."""


class Staging:
    """The file inputs of a tool."""

    def __init__(self, tool: Tool) -> None:
        self._ids = tuple(one.id for one in tool.inputs if one.type is InputType.FILE)

    def files(self, values: Mapping[str, Any]) -> list[InputFile]:
        """The files among `values`, one for each source."""
        found: dict[str, InputFile] = {}
        for id in self._ids:
            value = values.get(id)
            if value is None:
                continue
            for source in (value,) if type(value) is str else value:
                if source not in found:
                    found[source] = InputFile(id, source, file_name(source))
        return list(found.values())

    def replace(self, values: dict[str, Any], files: Iterable[InputFile]) -> None:
        """Put staged names in place of the sources in `values`."""
        names = {file.source: file.name for file in files}
        for id in self._ids:
            value = values.get(id)
            if type(value) is str:
                values[id] = names[value]
            elif value is not None:
                values[id] = [names[source] for source in value]


def file_name(source: str) -> str:
    """The bare file name of a path or URL, or "" when it has none that can be used.

    Query and fragment of a URL are no part of it, and percent signs of web addresses are decoded.
    """
    found = _scheme(source)
    if found:
        scheme, source = found.group(1).lower(), source[found.end() :]
        if source.startswith("//"):
            source = source[2:].partition("/")[2]  # without the host
        if scheme != "file":
            source = source.partition("?")[0].partition("#")[0]
        if scheme in _WEB:
            source = unquote(source)
    name = os.path.basename(source.rstrip("/"))
    return "" if name in (".", "..") or "\0" in name else name


def distinct(files: list[InputFile], taken: Iterable[str] = ()) -> list[InputFile]:
    """`files` with names that differ: those that share one go to numbered directories, as `1/scan.nii`.

    `taken` are names that are not free in the job's directory.
    """
    names = [file.name for file in files]
    reserved = {INVOCATION_FILE, *taken}
    if len(set(names)) == len(names) and reserved.isdisjoint(names):
        return files
    directories = (str(number) for number in range(1, len(files) * 2 + 2) if str(number) not in names)
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    per_name: dict[str, int] = {}
    numbers = list(directories)
    placed = []
    for file in files:
        if counted[file.name] > 1 or file.name in reserved:
            rank = per_name.get(file.name, 0)
            per_name[file.name] = rank + 1
            file = file._replace(name=f"{numbers[rank]}/{file.name}")
        placed.append(file)
    return placed
