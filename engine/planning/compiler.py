"""From a descriptor to a compiled tool, once; from an invocation to all that a job needs, in microseconds."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.planning import bosh
from engine.planning.command import CommandLine, ExposedValue
from engine.planning.descriptors import Descriptor
from engine.planning.dialects import version_problem
from engine.planning.environment import Environment
from engine.planning.outputs import OutputFile, Outputs
from engine.planning.parsing import parse_tool
from engine.planning.rules import InvocationError, Rules
from engine.planning.sequential import render_like_bosh
from engine.planning.sizes import size_problems
from engine.planning.staging import InputFile, Staging, distinct, is_own
from engine.planning.template import Keys


class Expansion(NamedTuple):
    """An invocation, worked out."""

    invocation: dict[str, Any]
    """With defaults; what a job finds as input_params.json when it was expanded with `stage`."""
    command_line: str
    output_files: list[OutputFile]
    config_files: dict[str, str]
    """Texts of files to write before the tool starts, by path relative to the job's directory."""
    environment: dict[str, str]
    inputs: list[InputFile]


class CompiledTool:
    """A tool that is ready to be expanded many times. It keeps no state between calls."""

    def __init__(self, tool: Tool, *, compat: bool = False) -> None:
        self.tool = tool
        self._compat = compat
        keys = Keys(tool)
        self._rules = Rules(tool)
        self._command = CommandLine(tool, keys)
        self._outputs = Outputs(tool, keys)
        self._environment = Environment(tool, keys)
        self._staging = Staging(tool)

    @property
    def exposed(self) -> tuple[str, ...]:
        """Ids whose values stand where quoting does not protect: only harmless characters are accepted."""
        return tuple(self._command.exposed)

    def expand(self, invocation: Mapping[str, Any], *, stage: bool = False) -> Expansion:
        """Check an invocation and render everything that depends on it.

        Args:
            invocation: values by input id.
            stage: render for a job's own directory: files under their bare names, nothing outside of it.

        Raises:
            InvocationError: rules of the descriptor are broken; all of them are listed.
        """
        values = self._rules.resolve(invocation)
        files = self._staging.files(values)
        if stage:
            files = self._stage(values, files)
        resolved = dict(values)
        outputs = self._outputs.files(values, stage=stage)
        configs = {} if self._compat else self._outputs.config_files(values)
        if stage:
            _refuse_escapes(outputs)
        if self._compat:
            command, outputs, configs = render_like_bosh(self.tool, resolved, outputs)
        else:
            command = self._render(values, stage=stage)
        environment = self._environment.values(resolved)
        if stage and (problems := size_problems(command, environment, resolved)):
            raise InvocationError(problems)
        return Expansion(resolved, command, outputs, configs, environment, files)

    def _stage(self, values: dict[str, Any], files: list[InputFile]) -> list[InputFile]:
        nameless = [f"input {file.id}: {file.source!r} has no file name" for file in files if not file.name]
        if nameless:
            raise InvocationError(nameless)
        taken = self._outputs.config_names
        files = distinct(files, taken)
        self._staging.replace(values, files)
        return files

    def _render(self, values: dict[str, Any], *, stage: bool) -> str:
        command = self._command
        try:
            return command.prologue + command.staged.fill(values) if stage else command.plain.fill(values)
        except ExposedValue as error:
            raise InvocationError([_exposed_problem(self.tool, error, values)]) from None


def compile_tool(descriptor: Descriptor, *, compat: bool = False, check: bool = True) -> CompiledTool:
    """Validate a descriptor and compile it.

    Args:
        descriptor: from `load_descriptor`.
        compat: render the text that bosh renders, injectable as it is: for comparisons only.
        check: have the boutiques package validate it; False when that is known to have been done.

    Raises:
        BadRequest: it is not valid; `problems` says why, one line each.
    """
    if check and (wrong := version_problem(descriptor.data)):
        raise BadRequest(f"{descriptor.source}: not a valid descriptor: {wrong[0]}", remedy=wrong[1])
    found = bosh.problems(descriptor.data) if check else []
    if found:
        problems = [f"{descriptor.source}: not a valid descriptor: {problem}" for problem in found]
        raise BadRequest(problems[0], problems=problems)
    if "\0" in str(descriptor.data.get("command-line")):
        text = "command-line: a NUL character cannot be passed to a program"
        raise BadRequest(f"{descriptor.source}: not a valid descriptor: {text}")
    try:
        return CompiledTool(parse_tool(descriptor.data), compat=compat)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"{descriptor.source}: not a valid descriptor: {_explanation(error)}") from None


def _explanation(error: Exception) -> str:
    """Why a descriptor cannot be compiled, in words: exceptions of Python say little to its author."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, ValueError):
        return str(error)
    return "a field has a value of another type than the schema's"


def _refuse_escapes(outputs: list[OutputFile]) -> None:
    """Results outside of the job's directory would be lost, or be somebody else's files."""
    problems = []
    for output in outputs:
        normal = os.path.normpath(output.path) if output.path else ""
        if normal == ".." or normal.startswith(("/", "../")):
            problems.append(f"output {output.id}: {output.path!r} is outside of the job's directory")
        elif normal in ("", "."):
            problems.append(f"output {output.id}: its path is empty")
        elif is_own(normal):
            problems.append(f"output {output.id}: {output.path!r} is a name of the engine's own files")
    if problems:
        raise InvocationError(problems)


def _exposed_problem(tool: Tool, error: ExposedValue, values: Mapping[str, Any]) -> str:
    """Say what is wrong with a value, by the name of whose it is."""
    text = str(error)
    given = ((one.id, values.get(one.id)) for one in tool.parameters)
    owner = next((id for id, value in given if text == value or (type(value) is list and text in value)), "")
    kind = "output" if tool.input(owner) is None else "input"
    return f"{kind} {owner}: {text!r} {error.why}"
