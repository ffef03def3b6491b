"""A descriptor as an administrator looks at it before it is published; nothing is run, no file is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.tool import ContainerImage, ToolTest
from engine.errors import BadRequest
from engine.planning import CompiledTool, Descriptor, compile_tool
from engine.planning.lint import lint


def examined(data: Mapping[str, Any]) -> dict[str, Any]:
    """Examine a descriptor: what lint finds (`lint`), its command line and image with its digest (`plan`),
    and what each of its own tests would run and asserts (`tests`).
    """
    descriptor = Descriptor.of(data)
    compiled = compile_tool(descriptor, check=False)
    tool = compiled.tool
    return {
        "lint": [one._asdict() for one in lint(compiled, descriptor.data)],
        "plan": {
            "command": tool.command_line,
            **_image(tool.image),
            "inputs": [f"{one.id} ({one.type}{', a list' if one.list else ''})" for one in tool.inputs],
            "outputs": [f"{one.id}: {one.path_template or 'by conditions'}" for one in tool.outputs],
        },
        "tests": [_test(compiled, one) for one in tool.tests],
    }


def _image(image: ContainerImage | None) -> dict[str, str]:
    """Return where it comes from, and its digest, where the descriptor says it: a tag may become another
    image.
    """
    if image is None:
        return {"image": "", "image_digest": ""}
    location = image.url or image.image
    _, _, digest = location.rpartition("@")
    return {
        "image": f"{image.type}: {location}",
        "image_digest": image.hash or (digest if "@" in location else ""),
    }


def _test(compiled: CompiledTool, test: ToolTest) -> dict[str, Any]:
    result: dict[str, Any] = {"name": test.name, "command": "", "problem": ""}
    try:
        result["command"] = compiled.expand(test.invocation, stage=True).command_line
    except BadRequest as error:
        result["problem"] = error.message
    exits = [] if test.exit_code is None else [f"exit code {test.exit_code}"]
    result["asserts"] = exits + [f"{id_}{f' with md5 {md5}' if md5 else ''}" for id_, md5 in test.outputs]
    return result
