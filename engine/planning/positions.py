"""Where each value of a command line stands, by two readings; where they differ no quotes are trusted.

`Scanner` follows quotes character by character; the syntax tree says of which command a value is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.domain.tool import InputType, Tool, ToolInput, ToolOutput
from engine.planning.commands import Mark
from engine.planning.exposure import Script
from engine.planning.programs import EXPANSION, VALUE, WordRole
from engine.planning.shell import Context, Scanner, is_harmless, quote
from engine.planning.template import Keys

_QUOTES = {Context.BARE: "", Context.SINGLE: "'", Context.DOUBLE: '"'}
_quotes = re.compile("['\"`]")
_spaces = re.compile(r"([ \t]+)")


class Position(NamedTuple):
    """The position of an input's or output's value."""

    context: Context
    separator: str = ""
    """Between the entries of a list."""
    is_operand: bool = False
    """Whether a value that begins with a dash would be an option of a program that runs code."""
    is_command: bool = False
    """Whether it is the name of the program that is run."""
    closing: str = ""
    """The delimiter of a here-document that it must not complete."""


class _Reading(NamedTuple):
    """A place as the scanner sees it."""

    key: int
    owner: ToolInput | ToolOutput
    prefix: str
    position: Position


def positions(tool: Tool, keys: Keys) -> list[dict[str, Position]]:
    """For each key of the command line, in order, the places of those whose it is, by their ids."""
    pairs, tail = keys.split(tool.command_line)
    literals = [literal for literal, _ in pairs]
    readings = _scan(tool, keys)
    found: list[dict[str, Position]] = [{one.owner.id: one.position for one in some} for some in readings]
    for turn in range(max(map(len, readings), default=0)):  # those who share a key may have other flags
        chosen = [some[min(turn, len(some) - 1)] for some in readings]
        for one, position in _judged(literals, chosen, tail):
            known = found[one.key][one.owner.id]
            found[one.key][one.owner.id] = Position(
                Context.EXPOSED if Context.EXPOSED in (known.context, position.context) else known.context,
                known.separator,
                known.is_operand or position.is_operand,
                known.is_command or position.is_command,
                known.closing,
            )
    return found


def _scan(tool: Tool, keys: Keys) -> list[list[_Reading]]:
    """Scan for every key, and list what was found, in order."""
    pairs, _ = keys.split(tool.command_line)
    scanner = Scanner()
    readings = []
    for number, (literal, key) in enumerate(pairs):
        scanner.feed(literal)
        owners = keys.owners[key]
        readings.append([_read(number, one, scanner) for one in owners])
        with_flag = scanner.after(owners[0].flag or "")
        if not scanner.same_quoting(with_flag):
            scanner.lose()  # the flag opens or closes a quote: what follows depends on it
        else:
            scanner = with_flag
        scanner.value()
    return readings


def _read(number: int, one: ToolInput | ToolOutput, scanner: Scanner) -> _Reading:
    is_flag = isinstance(one, ToolInput) and one.type is InputType.FLAG
    prefix = "" if one.flag is None else one.flag if is_flag else one.flag + one.flag_separator
    scanner = scanner.after(prefix)
    context, separator = scanner.context, ""
    if isinstance(one, ToolInput) and one.list:
        separator = _literal(one.list_separator) if context is Context.BARE else one.list_separator
        again = scanner.after("x" + separator)
        if again.context is not context or not scanner.same_quoting(again):
            context = Context.EXPOSED
    return _Reading(number, one, prefix, Position(context, separator, closing=scanner.closing))


def _literal(separator: str) -> str:
    """Write a separator so that it reaches the tool as it is: what a shell would take for syntax is quoted.

    One that has quotes in it is left alone: it may close what it opened before. Entries are exposed then.
    """
    if _quotes.search(separator):
        return separator
    parts = _spaces.split(separator)
    return "".join(part if not part.strip(" \t") or is_harmless(part) else quote(part) for part in parts)


def _judged(
    literals: Sequence[str], readings: Sequence[_Reading], tail: str
) -> Iterator[tuple[_Reading, Position]]:
    """Yield the positions with what the syntax tree says of them."""
    name = "Kx"
    while any(name in text for text in (*literals, tail, *(one.prefix for one in readings))):
        name += "x"
    text, values = "", dict[str, str]()
    optional, marks = list[Mark](), list[tuple[_Reading, Mark]]()
    for literal, one in zip(literals, readings, strict=True):
        text += literal
        start = len(text.encode())
        text += one.prefix
        for repeated in range(_count(one)):
            text += one.position.separator if repeated else ""
            token = f"{name}{len(values)}E"
            values[token] = _value(one.owner)
            at = len(text.encode())
            text += token
            marks.append((one, Mark(at, at + len(token))))
        if getattr(one.owner, "optional", False) or getattr(one.owner, "list", False):
            optional.append(Mark(start, len(text.encode())))
    script = Script(text + tail, values, optional)
    for one, mark in marks:
        verdict = script.verdict(mark)
        if verdict.role is WordRole.CODE or verdict.quote != _QUOTES.get(one.position.context, verdict.quote):
            yield one, one.position._replace(context=Context.EXPOSED)
        else:
            is_command = verdict.role is WordRole.COMMAND
            yield (
                one,
                one.position._replace(is_operand=verdict.role is WordRole.OPERAND, is_command=is_command),
            )


def _count(one: _Reading) -> int:
    """Return how many values stand there in the text that is judged: of a list two, to see what divides
    them.
    """
    if isinstance(one.owner, ToolOutput):
        return 1
    if one.owner.type is InputType.FLAG:
        return 0
    return 2 if one.owner.list and one.position.context is not Context.EXPOSED else 1


def _value(owner: ToolInput | ToolOutput) -> str:
    """Return what is known of a value: nothing, that the author wrote it, or that it is a number."""
    if isinstance(owner, ToolInput) and owner.choices:
        return EXPANSION
    return "0" if isinstance(owner, ToolInput) and owner.type is InputType.NUMBER else VALUE
