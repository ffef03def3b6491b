"""Manual pages, from the same help as `--help` and the reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.docs.reference import errors, walk
from tests.docs.reference.walk import Command, Row

PLACE = Path("docs/man")


def files() -> Mapping[Path, str]:
    """A page for each program, and for each of its commands with all that is below."""
    made = {}
    for program in walk.programs():
        for command in (program, *program.below):
            made[PLACE / f"{'-'.join(command.words)}.1"] = page(command)
    return made


def page(command: Command) -> str:
    """Write the page of a command."""
    name = "-".join(command.words)
    lines = [f'.TH "{name.upper()}" "1"', ".SH NAME", f"{_text(name)} \\- {_text(summary(command))}"]
    lines += [".SH SYNOPSIS", *_usage(command), ".SH DESCRIPTION", _text(command.about)]
    lines += _section("ARGUMENTS", command.arguments)
    lines += _section("OPTIONS", command.options)
    if len(command.words) == 1:
        lines += _section("COMMANDS", ((one.words[-1], summary(one)) for one in command.below))
    else:
        for below in _leaves(command):
            lines += [".SH COMMAND " + _text(" ".join(below.words[2:]).upper()), *_usage(below), ".PP"]
            lines += [_text(below.about), *_items([*below.arguments, *below.options]), *_example(below)]
    lines += _section("EXIT STATUS", ((str(number), words) for number, words in errors.meanings().items()))
    if command.example:
        lines += [".SH EXAMPLE", *_example(command)]
    others = [one for one in _related(command) if one != name]
    lines += [".SH SEE ALSO", ", ".join(f".BR {one} (1)" for one in others)] if others else []
    return "\n".join(lines) + "\n"


def _related(command: Command) -> list[str]:
    return [command.words[0]] if len(command.words) > 1 else [f"{command.words[0]}\\-COMMAND"]


def _leaves(command: Command) -> Iterator[Command]:
    return (one for one in command.all() if one is not command and not one.below)


def summary(command: Command) -> str:
    """The first sentence of its help."""
    return re.split(r"(?<=\.)\s", command.about, maxsplit=1)[0]


def _usage(command: Command) -> list[str]:
    program, _, rest = command.usage.partition(" [")
    return [f".B {_text(program)}", _text(f"[{rest}" if rest else "")]


def _example(command: Command) -> list[str]:
    return [".PP", ".nf", ".RS", _text(command.example), ".RE", ".fi"] if command.example else []


def _section(heading: str, rows: Iterable[Row]) -> list[str]:
    items = _items(rows)
    return [f".SH {heading}", *items] if items else []


def _items(rows: Iterable[Row]) -> list[str]:
    return [line for name, meaning in rows for line in (".TP", f".B {_text(name)}", _text(meaning))]


def _text(text: str) -> str:
    """Text as it is: nothing in it is a request, an escape or a quotation mark of troff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
