"""The command line as a template: every value quoted for the very place where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.domain.tool import InputType, Tool, ToolInput, ToolOutput
from engine.planning.containers import container_requirements, parts_around_pwd
from engine.planning.positions import Position, positions
from engine.planning.programs import can_be_command
from engine.planning.shell import (
    Context,
    is_harmless,
    quote,
    quote_in_double,
    quote_in_single,
)
from engine.planning.staging import INVOCATION_FILE
from engine.planning.template import Keys, Slot, Template, Values, first_of

JOB_DIRECTORY = "JOB_DIRECTORY"
"""Shell variable with the job's directory, for values that must be absolute paths wherever the tool goes."""
# The command line is a script in the job's directory; when it is not run as one, the job starts there.
_PROLOGUE = (
    f"{JOB_DIRECTORY}=$PWD\n"
    f'if [ -e "${{0%/*}}/{INVOCATION_FILE}" ]; then {JOB_DIRECTORY}=${{0%/*}}; fi\n'
    f"export {JOB_DIRECTORY}\n"
)
_PREFIXES = {
    Context.BARE: f'"${JOB_DIRECTORY}"/',
    Context.SINGLE: f"'\"${JOB_DIRECTORY}\"/'",
    Context.DOUBLE: f"${JOB_DIRECTORY}/",
    Context.EXPOSED: f"${JOB_DIRECTORY}/",
}
_NOT_QUOTABLE = (
    "stands where the command line cannot quote it; only letters, digits and @%+=:,./_- are accepted there"
)
_OPTION = "would be an option of a program that runs code: here it cannot begin with -"
_RUNS = "is a program that runs what it is given, and cannot be chosen by a value"
_ENDS = "could end the here-document in which it stands"
Quoter = Callable[[str], str]


class ExposedValue(ValueError):
    """A value that would be run as code, or change what is run."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


class CommandLine:
    """The command line of a tool, compiled. `staged` is for jobs: files are in the job's directory."""

    def __init__(self, tool: Tool, keys: Keys) -> None:
        needs = container_requirements(tool)
        moves = needs.working_directory is not None or bool(tool.image and tool.image.working_directory)
        absolute = moves or any(one.absolute_path for one in tool.parameters)
        self.exposed: list[str] = []
        """Ids of inputs and outputs whose value stands where quoting does not protect."""
        self._positions = positions(tool, keys)
        self.plain = self._compile(tool, keys, lambda one: False)
        self.staged = self.plain
        self.prologue = _PROLOGUE if absolute or needs.in_job else ""
        self.prologue += "".join(_export(name, value) for name, value in needs.in_job.items())
        if absolute:
            self.staged = self._compile(tool, keys, lambda one: moves or one.absolute_path)

    def _compile(
        self, tool: Tool, keys: Keys, is_absolute: Callable[[ToolInput | ToolOutput], bool]
    ) -> Template:
        pairs, tail = keys.split(tool.command_line)
        self.exposed.clear()
        pieces: list[tuple[str, Slot]] = []
        for (literal, key), here in zip(pairs, self._positions, strict=True):
            owners = keys.owners[key]
            slots = [self._slot(one, here[one.id], absolute=is_absolute(one)) for one in owners]
            pieces.append((literal, first_of(slots)))
        return Template(pieces, tail)

    def _slot(self, one: ToolInput | ToolOutput, position: Position, *, absolute: bool) -> Slot:
        id, flag = one.id, one.flag
        if isinstance(one, ToolInput) and one.type is InputType.FLAG:
            return lambda values: flag if values.get(id) is True else None
        is_text = isinstance(one, ToolOutput) or one.type is not InputType.NUMBER
        if position.context is Context.EXPOSED and is_text and id not in self.exposed:
            self.exposed.append(id)
        quoter = _quoter(one, position, absolute=absolute and _is_path(one)) if is_text else str
        return _value_slot(one, quoter, position.separator)


def _export(name: str, value: str) -> str:
    """Make a line that sets a variable to a value with `$PWD` in it."""
    parts = [quote(part) if part else "" for part in parts_around_pwd(value)]
    return f"export {name}=" + f'"${JOB_DIRECTORY}"'.join(parts) + "\n"


def _is_path(one: ToolInput | ToolOutput) -> bool:
    return isinstance(one, ToolOutput) or one.type is InputType.FILE


def _quoter(one: ToolInput | ToolOutput, position: Position, *, absolute: bool) -> Quoter:
    context = position.context
    quoter: Quoter = {
        Context.BARE: quote,
        Context.SINGLE: quote_in_single,
        Context.DOUBLE: quote_in_double,
        Context.EXPOSED: quote if _is_the_authors(one) else _only_harmless,
    }[context]
    if not _is_the_authors(one):
        if position.closing:
            quoter = _refusing(lambda text: text in position.closing, _ENDS, quoter)
        if position.is_command:
            quoter = _refusing(lambda text: not can_be_command(text), _RUNS, quoter)
        if position.is_operand or position.is_command:
            quoter = _refusing(_is_option, _OPTION, quoter)
    if not absolute:
        return quoter
    prefix = _PREFIXES[context]
    return lambda text: text and prefix + quoter(text)


def _is_the_authors(one: ToolInput | ToolOutput) -> bool:
    """Say whether the descriptor's author wrote every value that this can have."""
    return isinstance(one, ToolInput) and bool(one.choices)


def _only_harmless(text: str) -> str:
    if text and not is_harmless(text):
        raise ExposedValue(text, _NOT_QUOTABLE)
    return quote(text)


def _refusing(wrong: Callable[[str], bool], why: str, quoter: Quoter) -> Quoter:
    """Make a quoter that refuses some values, whatever their characters."""

    def checked(text: str) -> str:
        if wrong(text):
            raise ExposedValue(text, why)
        return quoter(text)

    return checked


def _is_option(text: str) -> bool:
    return len(text) > 1 and text.startswith("-")


def _value_slot(one: ToolInput | ToolOutput, quoter: Quoter, separator: str) -> Slot:
    id = one.id
    prefix = "" if one.flag is None else one.flag + one.flag_separator
    if isinstance(one, ToolInput) and one.list:

        def many(values: Values) -> str | None:
            entries = values.get(id)
            if entries is None:
                return None
            text = separator.join([quoter(_text(entry)) for entry in entries])
            return prefix + text if prefix or entries else None

        return many

    def single(values: Values) -> str | None:
        value = values.get(id)
        return None if value is None else prefix + quoter(_text(value))

    return single


def _text(value: Any) -> str:
    return value if type(value) is str else str(value)
