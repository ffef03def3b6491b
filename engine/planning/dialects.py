"""Descriptors that are not quite of the schema 0.5: NiWrap's, which we read as such, and older ones.

`"schema-version": "0.5+styx"` is the dialect of Styx and NiWrap: 0.5 with fields of its own, without
`tool-version`, which is a directory of its repository (`<package>/<version>/<tool>/boutiques.json`), and
with the image in `version.json` there. Flags need not say that they are optional. What our jobs have no use
for is kept in `custom.styx`. Sub-commands (an input whose type is another command line) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import BadRequest
from engine.planning.documents import read_json

STYX, OURS = "0.5+styx", "0.5"
KEPT = "styx"
"""The key of `custom` with what the dialect says and 0.5 has no field for."""
UNKNOWN = "unknown"
_STREAMS = ("stdout-output", "stderr-output")
_OF_FILES = ("mutable", "resolve-parent")
_VERSION_FILE = "version.json"
_version = re.compile(r"[vV]?\d+(?:\.[\w+-]+)+").fullmatch
_RENAMED = {
    "command-line-key": "command-line-key of an input is value-key now",
    "docker-image": "docker-image and docker-index are container-image now",
    "walltime-estimate": "walltime-estimate is in suggested-resources now",
}


def standard(data: Mapping[str, Any], source: str, path: Path | None = None) -> Mapping[str, Any]:
    """Return a descriptor of the schema 0.5: `data` itself, unless it is of the dialect or has no outputs.

    Args:
        data: what was read.
        source: its name, for messages.
        path: where it was found, if in a file: the version and the image are told by what is around it.

    Raises:
        BadRequest: it has sub-commands.
    """
    if data.get("output-files") == []:
        data = {name: value for name, value in data.items() if name != "output-files"}
    inputs = data.get("inputs")
    inputs = inputs if isinstance(inputs, list) else []
    _refuse_subcommands(inputs, source)
    if data.get("schema-version") != STYX:
        return data
    around = _around(path) if path is not None else {}
    kept = {name: data[name] for name in _STREAMS if name in data}
    kept |= {
        name: ids
        for name in _OF_FILES
        if (ids := [one.get("id") for one in inputs if isinstance(one, dict) and one.get(name)])
    }
    found = {
        **{name: value for name, value in data.items() if name not in _STREAMS and value != []},
        "schema-version": OURS,
        "tool-version": data.get("tool-version") or around.get("tool-version") or UNKNOWN,
    }
    if isinstance(data.get("inputs"), list):
        found["inputs"] = [_input(one) for one in inputs]
    if "container-image" not in data and "container-image" in around:
        found["container-image"] = around["container-image"]
    if kept and isinstance(custom := data.get("custom", {}), dict):
        found["custom"] = {**custom, KEPT: kept}
    return found


def version_problem(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Say what is wrong with the schema's version, and what helps; None when it is the one that we read."""
    version = data.get("schema-version")
    if version == OURS or version is None:
        return None
    if isinstance(version, (int, float)) and str(version) == OURS:
        return f"schema-version: {version} is a number", f'write it as text: "{OURS}"'
    if version == "0.4":
        return (
            "schema-version: 0.4 is not read, only 0.5",
            "`bosh import 0.4 NEW.json OLD.json` makes one of 0.5",
        )
    if not isinstance(version, str) or not re.fullmatch(r"0\.[1-3]", version):
        return (
            f"schema-version: {_shown(version)} is not read, only 0.5",
            "write the descriptor as one of 0.5",
        )
    text = repr(data)
    renamed = [words for key, words in _RENAMED.items() if f"'{key}'" in text]
    remedy = "; ".join(["write it as one of 0.5 and try `engine lint`", *renamed])
    return f"schema-version: {version} is not read, only 0.5", remedy


def _input(one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    found = {name: value for name, value in one.items() if name not in _OF_FILES}
    if found.get("type") == "Flag":
        found.setdefault("optional", True)
    return found


def _refuse_subcommands(inputs: list[Any], source: str) -> None:
    for one in inputs:
        kind = one.get("type") if isinstance(one, dict) else None
        if isinstance(kind, (dict, list)):
            kinds = kind if isinstance(kind, list) else [kind]
            names = ", ".join(str(each.get("id", "?")) for each in kinds if isinstance(each, dict))
            raise BadRequest(
                f"{source}: input {_shown(one.get('id'))}: sub-commands ({_shown(names)}) are not supported",
                remedy="write a descriptor for each: its command-line in place of the input's value-key",
            )


def _around(path: Path) -> dict[str, Any]:
    """Read what the directories above a descriptor say, as NiWrap has them: `<version>/<tool>/<file>`."""
    directory = path.absolute().parent.parent
    try:
        version = read_json(directory / _VERSION_FILE)
    except BadRequest:  # it need not be there, and need not be NiWrap's
        version = None
    version = version if isinstance(version, dict) and version.get("name") == directory.name else {}
    found: dict[str, Any] = {}
    if version or _version(directory.name):
        found["tool-version"] = directory.name
    if isinstance(version.get("container"), str):
        found["container-image"] = {"type": "docker", "image": version["container"]}
    return found


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:50]}..."
