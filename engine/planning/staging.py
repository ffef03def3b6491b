"""Under which names a job finds its input files: bare ones in its own directory, as VIP promises tools."""

from __future__ import annotations

import itertools
import os.path
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from engine.domain.tool import InputType, Tool
from wrappers.wire import OWN

INVOCATION_FILE = "input_params.json"
"""The invocation, in every job's directory."""
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=/)").match
_extensions = re.compile(r"(?:\.\d?[A-Za-z]\w*)+$", re.ASCII)  # those of numbers are parts of the name
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
        """Collect the files among `values`, one for each source."""
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
        names = {file.source: no_option(file.name) for file in files}
        for id in self._ids:
            value = values.get(id)
            if type(value) is str:
                values[id] = names[value]
            elif value is not None:
                values[id] = [names[source] for source in value]


def no_option(path: str) -> str:
    """Write a relative path so that no program takes it for an option: `./-x` for `-x`."""
    return f"./{path}" if path.startswith("-") else path


def is_own(path: str) -> bool:
    """Say whether the engine itself writes a file of this name into the job's directory."""
    return path.startswith(OWN)


def file_name(source: str) -> str:
    """Return the bare file name of a path or URL, or "" when it has none that can be used.

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


def directory_of(source: str) -> str:
    """Return the directory of a path or URL, without query and fragment of the URL; "" for the current
    one.
    """
    found = _scheme(source)
    if found is None or found.group(1).lower() == "file":
        path = source[found.end() :] if found else source
        return os.path.dirname(os.path.normpath(path))
    return source.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[0]


def distinct(files: list[InputFile], taken: Iterable[str] = ()) -> list[InputFile]:
    """`files` with names that differ, and never beside a companion that belongs to another.

    Where bare names would collide, all files of the directories concerned go to numbered directories, one for
    each directory that they come from, as `1/scan.nii` and `1/scan.json`. `taken` are names that are not free
    in the job's directory.
    """
    reserved = {INVOCATION_FILE, *taken}
    reserved.update(file.name for file in files if is_own(file.name))
    if len(files) == 1 and files[0].name not in reserved:
        return files
    directories = [directory_of(file.source) for file in files]
    apart = _apart(files, directories, reserved)
    if not apart:
        return files
    occupied = reserved.union(file.name for file in files)
    numbers = (name for name in map(str, itertools.count(1)) if name not in occupied)
    counted = Counter((directory, file.name) for file, directory in zip(files, directories, strict=True))
    by_key: dict[tuple[str, ...], str] = {}
    placed = []
    for file, directory in zip(files, directories, strict=True):
        if directory in apart:
            shared = counted[directory, file.name] > 1  # two files of one name: each is alone
            key = (directory, file.source) if shared else (directory,)
            number = by_key.get(key) or by_key.setdefault(key, next(numbers))
            file = file._replace(name=f"{number}/{file.name}")
        placed.append(file)
    return placed


def _apart(files: Sequence[InputFile], directories: Sequence[str], reserved: Collection[str]) -> set[str]:
    """Find the directories of which the files cannot be put together with those of others."""
    apart = set[str]()
    per_directory = Counter(directories)
    per_name: dict[str, list[str]] = {}
    per_stem: dict[str, list[InputFile]] = {}
    several = len(per_directory) > 1
    for file, directory in zip(files, directories, strict=True):
        per_name.setdefault(file.name, []).append(directory)
        if file.name in reserved:
            apart.add(directory)
        if several:
            per_stem.setdefault(_stem(file.name), []).append(file)
    for together in per_name.values():
        if len(together) > 1:
            apart.update(together)
    for companions in per_stem.values():
        if len(companions) == 1:
            continue
        own = {directory_of(file.source) for file in companions}
        if len(own) > 1 and not _is_pair(companions, [per_directory[directory] for directory in own]):
            apart.update(own)
    return apart


def _is_pair(companions: Sequence[InputFile], counts: Sequence[int]) -> bool:
    """Say whether two inputs name one file each, as of an image here and its table there: these are meant
    to be beside each other.
    """
    ids = {file.id for file in companions}
    return len(companions) == len(ids) == len(counts) == 2 and set(counts) == {1}


def _stem(name: str) -> str:
    """Return the part of a name that companions share: `scan` of `scan.nii.gz`, `scan.json` and
    `scan.nii.idx`.
    """
    return _extensions.sub("", name) or name
