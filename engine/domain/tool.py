"""A scientific tool as its Boutiques descriptor states it: plain values, no behaviour.

Field names follow the Boutiques 0.5 schema, with underscores. Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class InputType(StrEnum):
    """The four input types of Boutiques."""

    STRING = "String"
    NUMBER = "Number"
    FILE = "File"
    FLAG = "Flag"


@dataclass(frozen=True, slots=True)
class ToolInput:
    """An entry of `inputs`."""

    id: str
    type: InputType
    name: str = ""
    description: str = ""
    list: bool = False
    optional: bool = False
    value_key: str | None = None
    flag: str | None = None
    flag_separator: str = " "
    list_separator: str = " "
    default: Any = None
    choices: tuple[Any, ...] = ()
    integer: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    min_entries: float = 0
    max_entries: float | None = None
    requires: tuple[str, ...] = ()
    """Ids of inputs or groups that must be active when this input is."""
    disables: tuple[str, ...] = ()
    value_requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    value_disables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absolute_path: bool = False


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """An entry of `output-files`."""

    id: str
    name: str = ""
    description: str = ""
    path_template: str | None = None
    conditional_path_template: tuple[tuple[str, str], ...] = ()
    """Pairs of an expression and a path template; the first true expression wins, `default` always is."""
    stripped_extensions: tuple[str, ...] = ()
    file_template: tuple[str, ...] | None = None
    """Lines of a configuration file, which is written before the tool starts."""
    list: bool = False
    optional: bool = False
    value_key: str | None = None
    flag: str | None = None
    flag_separator: str = " "
    absolute_path: bool = False


@dataclass(frozen=True, slots=True)
class InputGroup:
    """An entry of `groups`: a rule about several inputs."""

    id: str
    members: tuple[str, ...]
    name: str = ""
    mutually_exclusive: bool = False
    one_is_required: bool = False
    all_or_none: bool = False


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """`container-image`, as written. Its options are interpreted by `engine.planning.containers`."""

    type: str
    """docker, singularity or rootfs."""
    image: str = ""
    index: str | None = None
    url: str = ""
    """Where a rootfs image is."""
    hash: str | None = None
    options: tuple[str, ...] = ()
    entrypoint: bool = False
    working_directory: str | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """`suggested-resources`, converted to bytes and seconds; None where the descriptor says nothing."""

    cores: int | None = None
    ram: int | None = None
    disk: int | None = None
    walltime: float | None = None
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class ToolTest:
    """An entry of `tests`."""

    name: str
    invocation: Mapping[str, Any]
    exit_code: int | None = None
    outputs: tuple[tuple[str, str | None], ...] = ()
    """Output id, and the md5 of the file when the descriptor gives one."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A whole descriptor."""

    name: str
    version: str
    command_line: str
    description: str = ""
    author: str = ""
    doi: str | None = None
    shell: str = "/bin/sh"
    image: ContainerImage | None = None
    inputs: tuple[ToolInput, ...] = ()
    outputs: tuple[ToolOutput, ...] = ()
    groups: tuple[InputGroup, ...] = ()
    error_codes: Mapping[int, str] = field(default_factory=dict)
    resources: Resources = Resources()
    environment: tuple[tuple[str, str], ...] = ()
    """Names and values of environment variables; a value may hold value-keys of inputs."""
    tests: tuple[ToolTest, ...] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[ToolInput | ToolOutput, ...]:
        """Inputs, then outputs: all that a value-key may stand for, in bosh's order."""
        return (*self.inputs, *self.outputs)

    def input(self, id: str) -> ToolInput | None:
        """Find the input of this id, or None."""
        return next((one for one in self.inputs if one.id == id), None)
