"""Environment variables of a tool, with the values of its inputs in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.tool import Tool, ToolInput, ToolOutput
from engine.planning.template import Keys, Slot, Template, first_of, text_of


class Environment:
    """The `environment-variables` of a tool, compiled."""

    def __init__(self, tool: Tool, keys: Keys) -> None:
        self._fixed: dict[str, str] = {}
        self._variable: list[tuple[str, Template]] = []
        for name, text in tool.environment:
            pairs, tail = keys.split(text)
            if pairs:
                slots = [
                    (literal, first_of([_slot(one) for one in keys.owners[key]])) for literal, key in pairs
                ]
                self._variable.append((name, Template(slots, tail)))
            else:
                self._fixed[name] = text

    def values(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Names and values. A variable that names an input without a value is not set."""
        environment = dict(self._fixed)
        for name, template in self._variable:
            if template.is_complete(values):
                environment[name] = template.fill(values)
        return environment


def _slot(one: ToolInput | ToolOutput) -> Slot:
    def slot(values: Mapping[str, Any]) -> str | None:
        return text_of(one, values[one.id]) if one.id in values else None

    return slot
