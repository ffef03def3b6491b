"""Which words of a command are code, the name of a command, or plain data.

`roles` follows the words of a simple command as its program would read them: options, their arguments, the
script or program text, then what that is given. Where a word may be absent, or it is not known whether an
option takes an argument, all readings are followed, and the most dangerous one counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from engine.planning.programs import (
    EXPANSION,
    GUESSED,
    UNKNOWN,
    VALUE,
    WRAPPER,
    Program,
    Role,
    assigns,
    completes,
    program_of,
)


class Word(NamedTuple):
    """A word of a command, without its quotes."""

    text: str
    optional: bool = False
    """Whether it may be absent: it comes from an input that may have no value."""
    splits: bool = False
    """Whether it is an unquoted expansion, which may be no word or several."""


_any_code_option = re.compile(r"-[a-zA-Z]*[cer]|--(?:eval|command|expression|execute)|-batch").fullmatch


class _State(NamedTuple):
    """How far a program has read."""

    program: Program
    operands: int = 0
    pending: Role | None = None
    """Of the next word: the argument of an option."""
    begins: bool = False
    """Whether the next word begins a command."""
    given: bool = False
    """Whether an option gave the code."""
    flagged: bool = False
    opens: bool = False
    stops: bool = False
    """Whether all after the next word is data."""
    ended: bool = False
    """Whether `--` ended the options."""
    fed: bool = False
    """Whether words of it come from the standard input of what began it."""
    found: bool = False
    """Of a loose program: whether the command may have begun already."""


class Reading(NamedTuple):
    """What a command makes of its words."""

    roles: list[Role]
    shell_code: set[int]
    """Words that are shell code."""
    reads: bool
    """Whether standard input is run as code."""


def roles(words: Sequence[Word]) -> Reading:
    """Find what a simple command makes of its words, the first of which is the command word."""
    states = {_State(WRAPPER, begins=True)}
    found: list[Role] = []
    shell_code: set[int] = set()
    for index, node in enumerate(words):
        worst, following = Role.DATA, set[_State]()
        for state in states:
            for role, after in _step(state, node):
                worst = max(worst, role)
                following.add(after)
                if role is Role.CODE and state.program.is_shell:
                    shell_code.add(index)
        if node.optional or node.splits:
            following |= states
        found.append(worst)
        states = following
    reads = any(state.program.reads and not (state.given or _has_code(state)) for state in states)
    is_filled = any("{}" in node.text for node in words)
    reads = reads or any(state.fed and (state.flagged or state.given) and is_filled for state in states)
    return Reading(found, shell_code, reads)


def _has_code(state: _State) -> bool:
    """Say whether its operands gave it something to run, so that it does not run its standard input."""
    counted = state.operands - state.program.skip
    return counted > 0 and not (state.program.command or state.program.rest is Role.CODE)


def _step(state: _State, node: Word) -> list[tuple[Role, _State]]:
    """List the roles that a word may have, each with the state after it."""
    program, text = state.program, node.text
    if state.pending is not None:
        if state.stops:
            return [(state.pending, _State(UNKNOWN))]
        given = state.given or state.pending is Role.CODE
        return [(state.pending, state._replace(pending=None, given=given))]
    if state.begins:
        return _begin(node)
    is_open = not state.ended and (not state.operands or program.permutes)
    if is_open and text == "--":
        return [(Role.DATA, state._replace(ended=True))]
    if is_open and len(text) > 1 and text[0] in "-+":
        return _option(state, text)
    return _operand(state, node, is_open=is_open)


def _begin(node: Word) -> list[tuple[Role, _State]]:
    """Read the command word."""
    if assigns(node.text):
        return [(Role.DATA, _State(WRAPPER, begins=True))]
    name = node.text.rpartition("/")[2]
    if VALUE in name:
        return [(Role.CODE, _State(GUESSED))] if completes(name) else [(Role.COMMAND, _State(UNKNOWN))]
    if name.startswith(EXPANSION):
        return [(Role.CODE, _State(GUESSED))]
    return [(Role.DATA, _State(program_of(node.text) or UNKNOWN))]


def _operand(state: _State, node: Word, *, is_open: bool) -> list[tuple[Role, _State]]:
    program, number = state.program, state.operands
    if program == UNKNOWN:
        return [(Role.DATA, state)]
    after = state._replace(operands=min(number + 1, program.skip + 2))
    guard = Role.OPERAND if is_open else Role.DATA
    if program == GUESSED:
        return [(Role.DATA, after)]
    if state.opens and (state.given or number):
        return [(Role.CODE, after)]
    if number < program.skip:
        return [(guard, after)]
    if program.command:
        return _command_operand(state, node, guard)
    if number == program.skip and not state.given and (program.first is Role.CODE or state.flagged):
        return [(Role.CODE, after)]
    role = program.rest if number > program.skip else min(program.first, Role.OPERAND)
    return [(guard if role is Role.OPERAND else role, after)]


def _command_operand(state: _State, node: Word, guard: Role) -> list[tuple[Role, _State]]:
    """Read an operand of a program that begins another."""
    if state.given:  # env -S: what follows belongs to that command
        return [(Role.CODE, state)]
    name, equals, _ = node.text.partition("=")
    if equals and VALUE in name:
        return [(Role.CODE, state)]
    begun = _begin(node)
    if assigns(node.text):  # env NAME=value
        return [(Role.DATA, state)]
    if state.program.feeds:
        begun = [(role, after._replace(fed=True)) for role, after in begun]
    if not state.program.loose:
        return begun
    stays = state._replace(found=True)
    if VALUE in node.text:
        return [(Role.DATA, stays)] if state.found else [*begun, (guard, stays)]
    return [*begun, (Role.DATA, stays)]


def _option(state: _State, text: str) -> list[tuple[Role, _State]]:
    program = state.program
    name, equals, _ = text.partition("=")
    if program == GUESSED:
        code = _any_code_option(text) is not None
        return [(Role.DATA, state._replace(pending=Role.CODE if code else None))]
    if text in program.commands:  # and find goes on after that command
        return [(Role.DATA, state), (Role.DATA, state._replace(begins=True))]
    if name in program.stops_words and name not in program.code_words:
        return [(Role.DATA, _State(UNKNOWN))]
    if name in program.code_words:
        state = state._replace(stops=name in program.stops_words)
        after = state._replace(given=True) if equals else state._replace(pending=Role.CODE)
        return [(Role.CODE if equals else Role.DATA, after)]
    if name in program.takes_words:
        return [(Role.DATA, state if equals else state._replace(pending=Role.DATA))]
    if text.startswith("--") or program.long_by_one_dash:
        if VALUE in name and program != UNKNOWN:
            return [(Role.CODE, state)]
        results = [(Role.DATA, state)]
        if program.command and not equals:  # it may take an argument
            results.append((Role.DATA, state._replace(pending=Role.DATA)))
        return results
    return _letters(state, text)


def _letters(state: _State, text: str) -> list[tuple[Role, _State]]:
    """One-letter options, several together."""
    program = state.program
    if program == UNKNOWN:
        return [(Role.DATA, state)]
    results: list[tuple[Role, _State]] = []
    for index, letter in enumerate(text[1:], 2):
        rest = text[index:]
        if letter in program.flagged:
            state = state._replace(flagged=True)
        elif letter in program.opens:
            state = state._replace(opens=True)
        elif letter in program.code:
            state = state._replace(stops=letter in program.stops)
            if rest and state.stops:
                return [*results, (Role.CODE, _State(UNKNOWN))]
            after = state._replace(given=True) if rest else state._replace(pending=Role.CODE)
            return [*results, (Role.CODE if rest else Role.DATA, after)]
        elif letter in program.takes:
            return [*results, (Role.DATA, state if rest else state._replace(pending=Role.DATA))]
        elif letter == VALUE:
            return [*results, (Role.CODE, state)]
        elif letter not in program.plain and not rest:  # not known: it may take an argument
            results.append((Role.DATA, state._replace(pending=Role.DATA)))
    return [*results, (Role.DATA, state)]
