"""The `vip:` keys of a descriptor's `custom` object: whether they say what they can say."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.domain.tool import Tool

RESULTS_DIRECTORY = "results-directory"
DOT, CROSS, INTEGERS = "vip:dot", "vip:cross", "vip:intIteratorInputs"
DIRECTORIES, OVERRIDDEN, SUFFIX = "vip:directoryInputs", "vip:overriddenInputs", "vip:resultsDirectorySuffix"
OPTIONS, IMAGE_PATH = "vip:altContainerOpts", "vip:imagepath"

_DEFAULT, _DESCRIPTION = "vip:resultsDirectoryDefault", "vip:resultsDirectoryDescription"  # of VIP's pages
_KNOWN = (
    DOT, CROSS, INTEGERS, DIRECTORIES, OVERRIDDEN, SUFFIX, OPTIONS, IMAGE_PATH, _DEFAULT, _DESCRIPTION,
)  # fmt: skip
_plain = re.compile(r"[^/\s]+").fullmatch


def is_suffix(value: object) -> bool:
    """Say whether `vip:resultsDirectorySuffix` can be this: nothing, or the name of one directory."""
    return value == "" or (isinstance(value, str) and bool(_plain(value)) and ".." not in value)


def key_problems(tool: Tool) -> list[str]:
    """List what is wrong with the keys, one line each: with any of these, nobody could know what is meant."""
    return [f"custom {key}: {problem}" for key, problem in _problems(tool.custom)]


def copied_inputs(tool: Tool) -> Mapping[str, str]:
    """Tell which hidden inputs copy another one, and which: nobody gives them, nobody is shown them."""
    copies = tool.custom.get(OVERRIDDEN)
    return copies if isinstance(copies, Mapping) else {}


def unknown_inputs(tool: Tool) -> list[str]:
    """Lines about inputs that keys name and the tool has not; VIP passes over them."""
    known = {one.id for one in tool.inputs} | {RESULTS_DIRECTORY}
    named: list[tuple[str, Iterable[str]]] = [
        (key, _as_list(tool.custom[key])) for key in (DOT, CROSS, INTEGERS) if key in tool.custom
    ]
    named.append((DIRECTORIES, tool.custom.get(DIRECTORIES) or ()))
    for hidden, source in dict(tool.custom.get(OVERRIDDEN) or {}).items():
        named.append((OVERRIDDEN, (hidden, source)))
    return [
        f"custom {key}: the tool has no input {id}" for key, ids in named for id in ids if id not in known
    ]


def unknown_keys(tool: Tool) -> list[str]:
    """Lines about keys that look like VIP's and are none, as `vip:dots`; they do nothing."""
    lines = []
    for key in tool.custom:
        if key.lower().startswith("vip:") and key not in _KNOWN:
            known = {one.lower(): one for one in _KNOWN}
            close = [known[one] for one in difflib.get_close_matches(key.lower(), known, 1, cutoff=0.7)]
            meant = f"; did you mean {close[0]}?" if close else ""
            lines.append(f"custom {key}: is no key of VIP, and does nothing{meant}")
    return lines


def _problems(custom: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in (DOT, CROSS, INTEGERS):
        if key in custom and not _are_texts(_as_list(custom[key])):
            yield key, "the id of an input, or a list of them, is needed"
    if OPTIONS in custom and not _are_texts(custom[OPTIONS]):
        yield OPTIONS, "a list of options is needed"
    if IMAGE_PATH in custom and not isinstance(custom[IMAGE_PATH], str):
        yield IMAGE_PATH, "a path is needed"
    if SUFFIX in custom and not is_suffix(custom[SUFFIX]):
        yield SUFFIX, f"{custom[SUFFIX]!r} is not a directory name"
    directories = custom.get(DIRECTORIES, {})
    if not isinstance(directories, Mapping) or not all(map(_is_directory_input, directories.values())):
        yield DIRECTORIES, 'an object such as {"input": {"patterns": ["*.nii"]}} is needed'
    overridden = custom.get(OVERRIDDEN, {})
    if not isinstance(overridden, Mapping) or not _are_texts(list(overridden.values())):
        yield OVERRIDDEN, 'an object such as {"hidden": "source"} is needed'


def _is_directory_input(value: Any) -> bool:
    return isinstance(value, Mapping) and ("patterns" not in value or _are_texts(value["patterns"]))


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
