"""Rules between inputs: groups, requires, disables. Compiled only for tools that have some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.tool import InputGroup, InputType, Tool, ToolInput


class Relations:
    """The rules between the inputs of a tool."""

    def __init__(self, tool: Tool) -> None:
        self._inputs = {one.id: one for one in tool.inputs}
        self._groups = {group.id: group for group in tool.groups}
        self._requires = [one for one in tool.inputs if one.requires]
        self._by_value = [one for one in tool.inputs if one.value_requires or one.value_disables]
        self._exclusions = list(_exclusions(tool))
        self._one_required = [group for group in tool.groups if group.one_is_required]
        self._together = [group for group in tool.groups if group.all_or_none]

    def __bool__(self) -> bool:
        return bool(
            self._requires or self._by_value or self._exclusions or self._one_required or self._together
        )

    def resolve(self, values: dict[str, Any], given: Mapping[str, Any]) -> list[str]:
        """Take from `values` the defaults that yield to a user's choice; answer with the broken rules."""
        problems = [
            problem
            for one, other in self._exclusions
            if (problem := self._exclude(one, other, values, given)) is not None
        ]
        for one in self._by_value:
            problems.extend(self._follow_value(one, values, given))
        for one in self._requires:
            if self._active(one.id, values):
                problems.extend(
                    f"input {one.id}: needs {self._named(wanted)}"
                    for wanted in one.requires
                    if not self._satisfied(wanted, values)
                )
        problems.extend(
            f"group {group.id}: one of {', '.join(group.members)} is required"
            for group in self._one_required
            if not any(self._active(member, values) for member in group.members)
        )
        for group in self._together:
            problems.extend(self._mixed_group_problem(group, values, given))
        return problems

    def _active(self, id: str, values: Mapping[str, Any]) -> bool:
        """Present; a flag counts only when it is true."""
        if id not in values:
            return False
        one = self._inputs.get(id)
        return one is None or one.type is not InputType.FLAG or values[id] is True

    def _satisfied(self, id: str, values: Mapping[str, Any]) -> bool:
        group = self._groups.get(id)
        if group is not None and id not in self._inputs:
            return any(self._active(member, values) for member in group.members)
        return self._active(id, values)

    def _named(self, id: str) -> str:
        group = self._groups.get(id)
        return f"one of {', '.join(group.members)}" if group is not None else id

    def _exclude(self, one: str, other: str, values: dict[str, Any], given: Mapping[str, Any]) -> str | None:
        """`one` disables `other`. A default yields to what the user chose, either way round."""
        if not (self._active(one, values) and self._active(other, values)):
            return None
        if given.get(other) is None:
            del values[other]
        elif given.get(one) is None:
            del values[one]
        else:
            return f"input {one}: cannot be used together with {other}"
        return None

    def _follow_value(self, one: ToolInput, values: dict[str, Any], given: Mapping[str, Any]) -> list[str]:
        """Rules that hold when an input has a certain value."""
        value = values.get(one.id)
        if not isinstance(value, str):
            return []
        problems = [
            f"input {one.id}: the value {value} needs {wanted}"
            for wanted in one.value_requires.get(value, ())
            if not self._active(wanted, values)
        ]
        for other in one.value_disables.get(value, ()):
            if not self._active(other, values):
                continue
            # A supplied default is not a choice: bosh's own examples state every default.
            if given.get(other) is None or values[other] == self._inputs[other].default:
                del values[other]
            else:
                problems.append(f"input {one.id}: the value {value} cannot be used together with {other}")
        return problems

    def _mixed_group_problem(
        self, group: InputGroup, values: Mapping[str, Any], given: Mapping[str, Any]
    ) -> list[str]:
        active = [member for member in group.members if self._active(member, values)]
        if len(active) in (0, len(group.members)) or not any(
            given.get(member) is not None for member in active
        ):
            return []
        missing = [member for member in group.members if member not in active]
        return [f"group {group.id}: {', '.join(active)} cannot be used without {', '.join(missing)}"]


def compile_relations(tool: Tool) -> Relations | None:
    """Compile the relations of a tool, or None when it has none."""
    relations = Relations(tool)
    return relations if relations else None


def _exclusions(tool: Tool) -> list[tuple[str, str]]:
    """Pairs that cannot both be active: disables-inputs, and members of mutually exclusive groups."""
    pairs = [(one.id, other) for one in tool.inputs for other in one.disables]
    for group in tool.groups:
        if group.mutually_exclusive:
            pairs += [
                (one, other)
                for position, one in enumerate(group.members)
                for other in group.members[position + 1 :]
            ]
    return list(dict.fromkeys(pairs))
