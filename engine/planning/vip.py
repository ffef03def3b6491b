"""VIP's iterations: a list given to a scalar input means one job per element, as its portal has it.

The `custom` keys of a descriptor say more (MoteurLite is the model, its defects are not):

* `vip:dot`: these inputs are zipped; all others are crossed.
* `vip:directoryInputs`: a directory stands for the files in it that match its patterns.
* `vip:intIteratorInputs`: the number N stands for 0 .. N-1.
* `vip:overriddenInputs`: hidden inputs that copy another input.
* `vip:resultsDirectorySuffix`: what is added to `results-directory`, by default date and time.

A real `list: true` input takes a list as one value, and a list of lists as several.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from engine.domain.tool import InputType, Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.cells import value_from_text
from engine.planning.sweeps import MAX_VALUES, Dimension, zipped
from engine.planning.vip_keys import (
    DIRECTORIES,
    DOT,
    INTEGERS,
    OVERRIDDEN,
    RESULTS_DIRECTORY,
    SUFFIX,
)

_PATTERNS = 1000
"""Of one input, with what their braces stand for."""
Lister = Callable[[str], Sequence[str] | None]
"""Names of the files directly under a directory, or None when the path is not one."""


def list_local(path: str) -> Sequence[str] | None:
    """Names of the files in a directory of this machine."""
    if _is_file_url(path):
        path = unquote(urlsplit(path).path)
    if not os.path.isdir(path):
        return None
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_file())


def _is_file_url(text: str) -> bool:
    return text.startswith("file:/")


def vip_dimensions(
    invocation: Mapping[str, Any], tool: Tool, where: str, list_directory: Lister = list_local
) -> tuple[dict[str, Any], list[Dimension]]:
    """Split an invocation into its constant part and what is iterated over: the zipped inputs first, then the
    others in the descriptor's order.

    Raises:
        BadRequest: an empty list, lists of unequal length in `vip:dot`, a directory without matching files.
    """
    custom = tool.custom
    values = {id: _typed(tool.input(id), value) for id, value in invocation.items()}
    copies = _copied(values, custom.get(OVERRIDDEN, {}), where)
    _expand_directories(values, custom.get(DIRECTORIES, {}), where, list_directory)
    _iterate_integers(values, custom.get(INTEGERS, ()), tool, where)
    order = [one.id for one in tool.inputs if one.id in values] + [RESULTS_DIRECTORY]
    dot = _names(custom.get(DOT, ()))
    lists = {id: values[id] for id in order if _is_iteration(values.get(id), tool.input(id))}
    lists |= _lists_of_one([id for id in dot if id in order], values, lists)
    for id, entries in lists.items():
        if not entries:
            raise BadRequest(f"{where}, input {id}: the list is empty")
        if len(entries) > MAX_VALUES:
            raise BadRequest(f"{where}, input {id}: {len(entries)} values are more than {MAX_VALUES}")
    dimensions = _arranged(lists, values, copies, dot, where)
    swept = {id for dimension in dimensions for id in dimension.ids}
    return {id: value for id, value in values.items() if id not in swept}, dimensions


def results_directory(path: str, tool: Tool, now: float | None) -> str:
    """Return where VIP puts the results of an execution that starts at `now`, in seconds since 1970."""
    suffix = tool.custom.get(SUFFIX)
    if not re.match(r"(lfn|file):|/|[^:]*$", path):
        return path  # other storages number their directories themselves
    if suffix is None:
        if now is None:
            return path
        suffix = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d_%H%M%S")
    if suffix == "":
        return path
    return f"{path.rstrip('/')}/{suffix}"


def _arranged(
    lists: Mapping[str, list[Any]],
    values: Mapping[str, Any],
    copies: Mapping[str, str],
    dot: Sequence[str],
    where: str,
) -> list[Dimension]:
    """Dimensions: the dot group, then one for each other list; a copy always goes along with its source."""
    together = [id for id in dot if id in values] if any(id in lists for id in dot) else []
    groups = ([together] if together else []) + [[id] for id in lists if id not in together]
    dimensions = []
    for group in groups:
        if group[0] in copies and copies[group[0]] in lists and group[0] not in together:
            continue
        named = {id: lists.get(id, [values.get(id)]) for id in group}
        for copy, source in copies.items():
            if source in named and copy in lists and copy not in named:
                named[copy] = lists[copy]
        dimensions.append(zipped(named, f"{where}, vip:dot"))
    return dimensions


def _typed(one: ToolInput | None, value: Any) -> Any:
    """Convert a value of a request in which all are text to numbers and flags of the tool; what is none is
    left to the rules. A list input with one value has a list of it.
    """
    if one is None or value is None:
        return value
    if isinstance(value, list):
        return [
            _typed(one, entry) if isinstance(entry, list) else _typed_scalar(one, entry) for entry in value
        ]
    return [_typed_scalar(one, value)] if one.list else _typed_scalar(one, value)


def _typed_scalar(one: ToolInput, value: Any) -> Any:
    if not isinstance(value, str) or one.type not in (InputType.NUMBER, InputType.FLAG):
        return value
    try:
        return value_from_text(replace(one, list=False), value)
    except BadRequest:
        return value


def _lists_of_one(
    dot: Sequence[str], values: Mapping[str, Any], lists: Mapping[str, list[Any]]
) -> dict[str, list[Any]]:
    """Find what list inputs of the dot group iterate over: beside others of the same length, each entry
    alone.
    """
    lengths = {len(lists[id]) for id in dot if id in lists}
    flat = [id for id in dot if id not in lists and isinstance(values.get(id), list)]
    return {id: [[entry] for entry in values[id]] for id in flat if lengths == {len(values[id])}}


def _is_iteration(value: Any, one: ToolInput | None) -> bool:
    if not isinstance(value, list):
        return False
    if one is not None and one.list:
        return bool(value) and all(isinstance(entry, list) for entry in value)
    return True


def _copied(values: dict[str, Any], overridden: Any, where: str) -> dict[str, str]:
    """Copy sources into hidden inputs; answer with hidden ids and the source of each."""
    copies = dict(overridden) if isinstance(overridden, Mapping) else {}
    for hidden, source in copies.items():
        if hidden in values:
            raise BadRequest(f"{where}, input {hidden}: it is copied from {source} and cannot be given")
        if source in values:
            values[hidden] = values[source]
    return copies


def _expand_directories(values: dict[str, Any], inputs: Any, where: str, list_directory: Lister) -> None:
    for id, settings in inputs.items() if isinstance(inputs, Mapping) else ():
        if id not in values:
            continue
        location = f"{where}, input {id}"
        patterns = _without_braces(settings.get("patterns", ["*"]), location)
        given = values[id] if isinstance(values[id], list) else [values[id]]
        files: list[Any] = []
        for entry in given:
            names = list_directory(entry) if isinstance(entry, str) else None
            if names is None:
                files.append(entry)
                continue
            matching = [name for name in names if any(fnmatch.fnmatchcase(name, one) for one in patterns)]
            if not matching:
                raise BadRequest(f"{location}: no file in {entry} matches {', '.join(patterns)}")
            base = entry.rstrip("/")
            files += [f"{base}/{quote(name) if _is_file_url(entry) else name}" for name in matching]
        values[id] = files if files != given or isinstance(values[id], list) else values[id]


def _without_braces(patterns: Sequence[str], where: str) -> list[str]:
    """Java's `*.{nii,gz}` as patterns that fnmatch understands."""
    left, found = list(reversed(patterns)), list[str]()
    while left:
        pattern = left.pop()
        match = re.search(r"\{([^{}]*)\}", pattern)
        if match is None:
            found.append(pattern)
        else:
            before, after = pattern[: match.start()], pattern[match.end() :]
            left += [before + part + after for part in reversed(match.group(1).split(","))]
        if len(left) + len(found) > _PATTERNS:
            raise BadRequest(f"{where}: its patterns, with {{a,b}} written out, are more than {_PATTERNS}")
    return found


def _iterate_integers(values: dict[str, Any], ids: Any, tool: Tool, where: str) -> None:
    for id in _names(ids):
        value = values.get(id)
        if value is None:
            continue
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        text = isinstance(value, str)
        if (text and not re.fullmatch(r"\d{1,9}", value)) or (not text and type(value) is not int):
            raise BadRequest(f"{where}, input {id}: the number of iterations is one integer")
        count = int(value)
        if not 0 < count <= MAX_VALUES:
            raise BadRequest(f"{where}, input {id}: {count} iterations; 1 to {MAX_VALUES} are possible")
        values[id] = [str(number) if text else number for number in range(count)]


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [name for name in value if isinstance(name, str)]
