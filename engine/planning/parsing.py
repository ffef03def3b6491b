"""From the JSON of a valid descriptor to the values of `engine.domain.tool`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

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

_T = TypeVar("_T")
GIGABYTE = 10**9


def parse_tool(data: Mapping[str, Any]) -> Tool:
    """Parse the tool that a valid descriptor describes.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the descriptor is not valid.
    """
    codes = data.get("error-codes", ())
    variables = data.get("environment-variables", ())
    return _made(
        Tool,
        data,
        version=data["tool-version"],
        image=_image(data["container-image"]) if "container-image" in data else None,
        inputs=tuple(_input(one) for one in data["inputs"]),
        outputs=tuple(_output(one) for one in data.get("output-files", ())),
        groups=tuple(_group(one) for one in data.get("groups", ())),
        error_codes={code["code"]: code["description"] for code in codes},
        resources=_resources(data.get("suggested-resources", {})),
        environment=tuple((variable["name"], variable["value"]) for variable in variables),
        tests=tuple(_test(one) for one in data.get("tests", ())),
    )


def _made(cls: type[_T], one: Mapping[str, Any], **others: Any) -> _T:
    """Make a dataclass of the keys that are called as its fields, with dashes; `others` are fields whose keys
    are called otherwise, or hold something else.
    """
    kind: Any = cls
    names = [field.name for field in fields(kind) if field.name not in others]
    return cls(**{name: one[key] for name in names if (key := name.replace("_", "-")) in one}, **others)


def _input(one: Mapping[str, Any]) -> ToolInput:
    return _made(
        ToolInput,
        one,
        type=InputType(one["type"]),
        value_key=one.get("value-key") or None,
        flag=one.get("command-line-flag"),
        flag_separator=one.get("command-line-flag-separator", " "),
        default=one.get("default-value"),
        choices=tuple(one.get("value-choices", ())),
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
    return _made(
        ToolOutput,
        one,
        conditional_path_template=tuple(next(iter(condition.items())) for condition in conditions),
        stripped_extensions=tuple(one.get("path-template-stripped-extensions", ())),
        file_template=tuple(lines) if lines else None,
        value_key=one.get("value-key") or None,
        flag=one.get("command-line-flag"),
        flag_separator=one.get("command-line-flag-separator", " "),
        absolute_path=one.get("uses-absolute-path", False),
    )


def _group(one: Mapping[str, Any]) -> InputGroup:
    return _made(InputGroup, one, members=tuple(one["members"]))


def _image(one: Mapping[str, Any]) -> ContainerImage:
    options = tuple(one.get("container-opts", ()))
    return _made(ContainerImage, one, hash=one.get("container-hash"), options=options)


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
