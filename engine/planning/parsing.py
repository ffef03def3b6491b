"""From the JSON of a valid descriptor to the values of `engine.domain.tool`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.tool import (
    ContainerImage,
    InputGroup,
    InputType,
    Resources,
    Tool,
    ToolInput,
    ToolOutput,
    ToolTest,
)

GIGABYTE = 10**9


def parse_tool(data: Mapping[str, Any]) -> Tool:
    """Parse the tool that a valid descriptor describes.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the descriptor is not valid.
    """
    codes = data.get("error-codes", ())
    variables = data.get("environment-variables", ())
    return Tool(
        name=data["name"],
        version=data["tool-version"],
        command_line=data["command-line"],
        description=data.get("description", ""),
        author=data.get("author", ""),
        doi=data.get("doi"),
        shell=data.get("shell", "/bin/sh"),
        image=_image(data["container-image"]) if "container-image" in data else None,
        inputs=tuple(_input(one) for one in data["inputs"]),
        outputs=tuple(_output(one) for one in data.get("output-files", ())),
        groups=tuple(_group(one) for one in data.get("groups", ())),
        error_codes={code["code"]: code["description"] for code in codes},
        resources=_resources(data.get("suggested-resources", {})),
        environment=tuple((variable["name"], variable["value"]) for variable in variables),
        tests=tuple(_test(one) for one in data.get("tests", ())),
        tags=data.get("tags", {}),
        custom=data.get("custom", {}),
    )


def _input(one: Mapping[str, Any]) -> ToolInput:
    return ToolInput(
        id=one["id"],
        type=InputType(one["type"]),
        name=one["name"],
        description=one.get("description", ""),
        list=one.get("list", False),
        optional=one.get("optional", False),
        value_key=one.get("value-key") or None,
        flag=one.get("command-line-flag"),
        flag_separator=one.get("command-line-flag-separator", " "),
        list_separator=one.get("list-separator", " "),
        default=one.get("default-value"),
        choices=tuple(one.get("value-choices", ())),
        integer=one.get("integer", False),
        minimum=one.get("minimum"),
        maximum=one.get("maximum"),
        exclusive_minimum=one.get("exclusive-minimum", False),
        exclusive_maximum=one.get("exclusive-maximum", False),
        min_entries=one.get("min-list-entries", 0),
        max_entries=one.get("max-list-entries") or None,  # bosh takes 0 as no limit
        requires=tuple(one.get("requires-inputs", ())),
        disables=tuple(one.get("disables-inputs", ())),
        value_requires={choice: tuple(ids) for choice, ids in one.get("value-requires", {}).items()},
        value_disables={choice: tuple(ids) for choice, ids in one.get("value-disables", {}).items()},
        absolute_path=one.get("uses-absolute-path", False),
    )


def _output(one: Mapping[str, Any]) -> ToolOutput:
    conditions = one.get("conditional-path-template", ())
    lines = one.get("file-template")
    return ToolOutput(
        id=one["id"],
        name=one["name"],
        description=one.get("description", ""),
        path_template=one.get("path-template"),
        conditional_path_template=tuple(next(iter(condition.items())) for condition in conditions),
        stripped_extensions=tuple(one.get("path-template-stripped-extensions", ())),
        file_template=tuple(lines) if lines else None,
        list=one.get("list", False),
        optional=one.get("optional", False),
        value_key=one.get("value-key") or None,
        flag=one.get("command-line-flag"),
        flag_separator=one.get("command-line-flag-separator", " "),
        absolute_path=one.get("uses-absolute-path", False),
    )


def _group(one: Mapping[str, Any]) -> InputGroup:
    return InputGroup(
        id=one["id"],
        members=tuple(one["members"]),
        name=one.get("name", ""),
        mutually_exclusive=one.get("mutually-exclusive", False),
        one_is_required=one.get("one-is-required", False),
        all_or_none=one.get("all-or-none", False),
    )


def _image(one: Mapping[str, Any]) -> ContainerImage:
    return ContainerImage(
        type=one["type"],
        image=one.get("image", ""),
        index=one.get("index"),
        url=one.get("url", ""),
        hash=one.get("container-hash"),
        options=tuple(one.get("container-opts", ())),
        entrypoint=one.get("entrypoint", False),
        working_directory=one.get("working-directory"),
    )


def _resources(one: Mapping[str, Any]) -> Resources:
    ram, disk = one.get("ram"), one.get("disk-space")
    return Resources(
        cores=one.get("cpu-cores"),
        ram=None if ram is None else int(ram * GIGABYTE),
        disk=None if disk is None else int(disk * GIGABYTE),
        walltime=one.get("walltime-estimate"),
        nodes=one.get("nodes"),
    )


def _test(one: Mapping[str, Any]) -> ToolTest:
    assertions = one["assertions"]
    files = assertions.get("output-files", ())
    return ToolTest(
        name=one["name"],
        invocation=one["invocation"],
        exit_code=assertions.get("exit-code"),
        outputs=tuple((file["id"], file.get("md5-reference")) for file in files),
    )
