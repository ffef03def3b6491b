"""Where a tool's results will be, and the configuration files that it reads."""

from __future__ import annotations

import glob
import os.path
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.domain.tool import InputType, Tool, ToolInput, ToolOutput
from engine.planning.conditions import Condition, compile_condition
from engine.planning.file_templates import Configuration
from engine.planning.staging import no_option
from engine.planning.template import Keys, Slot, Template, first_of, text_of

Values = Mapping[str, Any]


class OutputFile(NamedTuple):
    """A result to look for."""

    id: str
    path: str
    """Relative to the job's directory; wildcards of the template are active. See `Outputs.files`."""
    optional: bool
    list: bool


class _Path(NamedTuple):
    """A path template of an output."""

    condition: Condition | None
    plain: Template
    escaped: Template
    needs: tuple[frozenset[str], ...]
    """For each key, the inputs and outputs of which one must have a value."""


class Outputs:
    """The outputs of a tool, compiled."""

    def __init__(self, tool: Tool, keys: Keys) -> None:
        self._ids = frozenset(one.id for one in tool.parameters)
        self._order = [(one, self._paths(one, keys)) for one in _in_order(tool, keys)]
        self._rank = {one.id: rank for rank, one in enumerate(tool.outputs)}
        self._configs = [
            (one, Configuration(one, keys)) for one in tool.outputs if one.file_template is not None
        ]
        self.config_names = _config_names(tool)

    def files(self, values: dict[str, Any], *, stage: bool = False) -> list[OutputFile]:
        """List the outputs, in the descriptor's order; their paths are added to `values` under their ids.

        With `stage`, outputs whose path names an input without a value are left out, since they cannot come
        into being, and wildcards that come from values are escaped, so that they only match themselves. Paths
        are plain then, and what the tool is told is never an option.
        """
        files = []
        for one, paths in self._order:
            chosen = next((path for path in paths if path.condition is None or path.condition(values)), None)
            if chosen is None:
                continue  # no condition holds and there is no default: this output is not made
            path = values[one.id] = chosen.plain.fill(values)
            if stage:
                if any(owners.isdisjoint(values) for owners in chosen.needs):
                    continue
                values[one.id] = no_option(path)
                path = chosen.escaped.fill(values) if chosen.needs and glob.has_magic(path) else path
                path = os.path.normpath(path) if path else path
            files.append(OutputFile(one.id, path, one.optional, one.list))
        if len(files) > 1:
            files.sort(key=lambda file: self._rank[file.id])
        return files

    def config_files(self, values: Values) -> dict[str, str]:
        """Texts of the configuration files by their normalised path.

        Raises:
            InvocationError: a value cannot be written in the format of its file.
        """
        return {
            path: configuration.text(path, values)
            for one, configuration in self._configs
            if one.id in values and (path := os.path.normpath(values[one.id]))
        }

    def _paths(self, one: ToolOutput, keys: Keys) -> list[_Path]:
        if one.path_template is not None:
            return [self._path(one, None, one.path_template, keys)]
        return [
            self._path(one, compile_condition(expression, self._ids), template, keys)
            for expression, template in one.conditional_path_template
        ]

    def _path(self, one: ToolOutput, condition: Condition | None, template: str, keys: Keys) -> _Path:
        pairs, tail = keys.split(template)
        plain, escaped = (
            Template(
                [
                    (literal, _path_slot(one, keys, key, leading=not literal and rank == 0, escape=escape))
                    for rank, (literal, key) in enumerate(pairs)
                ],
                tail,
            )
            for escape in (False, True)
        )
        needs = tuple(frozenset(owner.id for owner in keys.owners[key]) for _, key in pairs)
        return _Path(condition, plain, escaped, needs)


def _path_slot(output: ToolOutput, keys: Keys, key: str, *, leading: bool, escape: bool) -> Slot:
    """Make the slot of a value within a path: unquoted; extensions and, unless it leads, directories taken
    off.

    A key without a value stays, as with bosh: such an output is not expected.
    """
    owners = keys.owners[key]
    ids = frozenset(owner.id for owner in owners)
    value = first_of([_value_in_path(owner, output.stripped_extensions, leading=leading) for owner in owners])

    def slot(values: Values) -> str | None:
        text = value(values)
        if text is None:
            return key if ids.isdisjoint(values) else None
        return glob.escape(text) if escape else text

    return slot


def _value_in_path(one: ToolInput | ToolOutput, stripped: Sequence[str], *, leading: bool) -> Slot:
    id = one.id
    type = one.type if isinstance(one, ToolInput) else None
    stripped = stripped if type in (InputType.STRING, InputType.FILE) else ()
    only_base_name = type is InputType.FILE and not leading

    def slot(values: Values) -> str | None:
        if id not in values:
            return None
        text = text_of(one, values[id])
        for extension in stripped:
            text = text.replace(extension, "")
        return (os.path.basename(text) if only_base_name else text) or None

    return slot


def _in_order(tool: Tool, keys: Keys) -> list[ToolOutput]:
    """Order outputs after those that their paths name; in a circle of names the descriptor's order
    decides.
    """
    by_id = {one.id: one for one in tool.outputs}
    order: list[ToolOutput] = []
    open_ids: set[str] = set()

    def visit(one: ToolOutput) -> None:
        if one.id in open_ids:
            return
        open_ids.add(one.id)
        templates = [one.path_template or "", *(path for _, path in one.conditional_path_template)]
        named = {key for template in templates for _, key in keys.split(template)[0]}
        for key in named:
            for owner in keys.owners[key]:
                if owner.id in by_id:
                    visit(by_id[owner.id])
        order.append(one)

    for one in tool.outputs:
        visit(one)
    return order


def _config_names(tool: Tool) -> frozenset[str]:
    """First parts of the fixed paths of configuration files: no input file may be staged under them."""
    paths = [one.path_template for one in tool.outputs if one.file_template is not None and one.path_template]
    return frozenset(os.path.normpath(path).partition("/")[0] for path in paths)
