"""The command line as a template: every value quoted for the very place where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.domain.tool import InputType, Tool, ToolInput, ToolOutput
from engine.planning.containers import container_requirements, parts_around_pwd
from engine.planning.shell import (
    Context,
    Scanner,
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
Quoter = Callable[[str], str]


class ExposedValue(ValueError):
    """A value with shell characters for a key where quoting does not protect."""


class CommandLine:
    """The command line of a tool, compiled. `staged` is for jobs: files are in the job's directory."""

    def __init__(self, tool: Tool, keys: Keys) -> None:
        needs = container_requirements(tool)
        moves = needs.working_directory is not None or bool(tool.image and tool.image.working_directory)
        absolute = moves or any(one.absolute_path for one in tool.parameters)
        self.exposed: list[str] = []
        """Ids of inputs and outputs whose value stands where quoting does not protect."""
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
        scanner = Scanner(tool.command_line)
        pieces: list[tuple[str, Slot]] = []
        self.exposed.clear()
        for literal, key in pairs:
            scanner.feed(literal)
            owners = keys.owners[key]
            slots = [self._slot(one, scanner, absolute=is_absolute(one)) for one in owners]
            pieces.append((literal, first_of(slots)))
            with_flag = scanner.after(owners[0].flag or "")
            if not scanner.same_quoting(with_flag):
                scanner.lose()  # the flag opens or closes a quote: what follows depends on it
            else:
                scanner = with_flag
            scanner.value()
        return Template(pieces, tail)

    def _slot(self, one: ToolInput | ToolOutput, scanner: Scanner, *, absolute: bool) -> Slot:
        id, flag = one.id, one.flag
        if isinstance(one, ToolInput) and one.type is InputType.FLAG:
            return lambda values: flag if values.get(id) is True else None
        if flag is not None:
            scanner = scanner.after(flag + one.flag_separator)
        context = scanner.context
        if isinstance(one, ToolInput) and one.list:
            again = scanner.after("x" + one.list_separator)
            if again.context is not context or not scanner.same_quoting(again):
                context = Context.EXPOSED
        is_text = isinstance(one, ToolOutput) or one.type is not InputType.NUMBER
        if context is Context.EXPOSED and is_text and id not in self.exposed:
            self.exposed.append(id)
        quoter = _quoter(one, context, absolute=absolute and _is_path(one)) if is_text else str
        return _value_slot(one, quoter)


def _export(name: str, value: str) -> str:
    """A line that sets a variable to a value with `$PWD` in it."""
    parts = [quote(part) if part else "" for part in parts_around_pwd(value)]
    return f"export {name}=" + f'"${JOB_DIRECTORY}"'.join(parts) + "\n"


def _is_path(one: ToolInput | ToolOutput) -> bool:
    return isinstance(one, ToolOutput) or one.type is InputType.FILE


def _quoter(one: ToolInput | ToolOutput, context: Context, *, absolute: bool) -> Quoter:
    quoter = {
        Context.BARE: quote,
        Context.SINGLE: quote_in_single,
        Context.DOUBLE: quote_in_double,
        Context.EXPOSED: quote if _is_the_authors(one) else _only_harmless,
    }[context]
    if not absolute:
        return quoter
    prefix = _PREFIXES[context]
    return lambda text: text and prefix + quoter(text)


def _is_the_authors(one: ToolInput | ToolOutput) -> bool:
    """Whether the descriptor's author wrote every value that this can have."""
    return isinstance(one, ToolInput) and bool(one.choices)


def _only_harmless(text: str) -> str:
    if text and not is_harmless(text):
        raise ExposedValue(text)
    return quote(text)


def _value_slot(one: ToolInput | ToolOutput, quoter: Quoter) -> Slot:
    id = one.id
    prefix = "" if one.flag is None else one.flag + one.flag_separator
    if isinstance(one, ToolInput) and one.list:
        separator = one.list_separator

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
