"""Small descriptors for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.planning import CompiledTool, Descriptor, Expansion, Point, compile_tool, expand_points

Json = Mapping[str, Any]


def descriptor_of(line: str, *inputs: Json, outputs: Sequence[Json] = (), **more: Any) -> Descriptor:
    """A descriptor of a command line and inputs; names and what else the schema demands are filled in.

    Keys of `more` have `_` for the `-` of Boutiques.
    """
    data: dict[str, Any] = {
        "name": "sample",
        "description": "A sample.",
        "tool-version": "1",
        "schema-version": "0.5",
        "command-line": line,
        "inputs": [{"name": one["id"], **one} for one in inputs],
        **{key.replace("_", "-"): value for key, value in more.items()},
    }
    if outputs:
        data["output-files"] = [{"name": one["id"], **one} for one in outputs]
    return Descriptor.of(data, "sample.json")


def tool_of(line: str, *inputs: Json, outputs: Sequence[Json] = (), **more: Any) -> CompiledTool:
    """The same, compiled without the reference library's say."""
    return compile_tool(descriptor_of(line, *inputs, outputs=outputs, **more), check=False)


def text(id: str, **more: Any) -> Json:
    """A String input whose key is `[ID]`."""
    return {"id": id, "type": "String", "value-key": f"[{id.upper()}]", **more}


def file(id: str, **more: Any) -> Json:
    """A File input."""
    return text(id, **{"type": "File", **more})


def number(id: str, **more: Any) -> Json:
    """A Number input."""
    return text(id, **{"type": "Number", **more})


def flag(id: str, **more: Any) -> Json:
    """A Flag input, `-id`."""
    return text(id, **{"type": "Flag", "optional": True, "command-line-flag": f"-{id}", **more})


def expansions(tool: CompiledTool, points: Iterator[Point]) -> Iterator[tuple[Point, Expansion]]:
    """Each point with its expansion, files not looked at."""
    return expand_points(points, lambda point: (point, tool.expand(point.invocation, stage=True)))
