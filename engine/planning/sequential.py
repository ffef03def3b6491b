"""The text that bosh 0.5 renders, key after key, with all its faults: to compare bytes, not to run jobs.

A value that contains another input's key is expanded again, keys inside quotes are quoted twice, and keys are
left over. Nothing is evaluated and nothing is written.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from engine.domain.tool import InputType, Tool, ToolInput, ToolOutput
from engine.planning.conditions import compile_condition
from engine.planning.outputs import OutputFile
from engine.planning.shell import quote


class _Absent(Enum):
    """The treatment of a key without a value."""

    REMOVE = "remove"
    KEEP = "keep"
    CLEAR = "clear"


def render_like_bosh(
    tool: Tool, values: Mapping[str, Any], outputs: Sequence[OutputFile]
) -> tuple[str, list[OutputFile], dict[str, str]]:
    """Command line, outputs and configuration files in bosh's words; the rest of `outputs` is ours."""
    paths: dict[str, str] = {}
    for _ in range(2):  # the second pass fills in keys of outputs that come later
        _output_paths(tool, values, paths)
    configs = {
        os.path.normpath(paths[one.id]): "\n".join(
            _replace(tool, line, values, paths, absent=_Absent.CLEAR, stripped=one.stripped_extensions)
            for line in one.file_template
        )
        for one in tool.outputs
        if one.file_template is not None and one.id in paths
    }
    command = _replace(tool, tool.command_line, values, paths, absent=_Absent.REMOVE, flags=True)
    files = [file._replace(path=paths.get(file.id, file.path)) for file in outputs]
    return command, files, configs


def _output_paths(tool: Tool, values: Mapping[str, Any], paths: dict[str, str]) -> None:
    ids = frozenset(one.id for one in tool.parameters)
    for one in tool.outputs:
        template: str | None
        if one.path_template is not None:
            template = paths.get(one.id, one.path_template)
        else:
            known = {**values, **paths}
            template = next(
                (path for text, path in one.conditional_path_template if compile_condition(text, ids)(known)),
                None,
            )
        if template is not None:
            stripped = one.stripped_extensions
            paths[one.id] = _replace(
                tool, template, values, paths, absent=_Absent.KEEP, stripped=stripped, is_path=True
            )


def _replace(
    tool: Tool,
    template: str,
    values: Mapping[str, Any],
    paths: Mapping[str, str],
    *,
    absent: _Absent,
    flags: bool = False,
    stripped: Sequence[str] = (),
    is_path: bool = False,
) -> str:
    known = {**values, **paths}
    for one in tool.parameters:
        key = one.value_key
        if key is None:
            continue
        if one.id not in known:
            if absent is _Absent.REMOVE:
                template = template.replace(f" {key}" if f" {key}" in template else key, "")
            elif absent is _Absent.CLEAR and key in template:
                return ""
            continue
        text = _text(one, known[one.id], escape=not is_path or one.id in paths, flags=flags)
        if isinstance(one, ToolInput) and one.type in (InputType.STRING, InputType.FILE):
            for extension in stripped:
                text = text.replace(extension, "")
            if is_path and one.type is InputType.FILE and template.find(key) > 0:
                text = os.path.basename(text)
        template = template.replace(key, text) if text else template.replace(f" {key}", "")
    return template


def _text(one: ToolInput | ToolOutput, value: Any, *, escape: bool, flags: bool) -> str:
    is_text = isinstance(one, ToolOutput) or one.type in (InputType.STRING, InputType.FILE)
    if isinstance(value, list):
        separator = one.list_separator if isinstance(one, ToolInput) else " "
        text = separator.join(quote(str(entry)) if escape and is_text else str(entry) for entry in value)
    else:
        text = quote(str(value)) if escape and is_text else str(value)
    if not flags or one.flag is None:
        return text
    if isinstance(one, ToolInput) and one.type is InputType.FLAG:
        return one.flag if value is True else ""
    return one.flag + one.flag_separator + text
