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
    ProgramSyntax,
    WordRole,
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


class _ReaderState(NamedTuple):
    """The position of a program in its arguments."""

    program: ProgramSyntax
    operands: int = 0
    pending: WordRole | None = None
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
    """The meaning that a command gives its words."""

    roles: list[WordRole]
    shell_code: set[int]
    """Words that are shell code."""
    reads: bool
    """Whether standard input is run as code."""


def roles(words: Sequence[Word]) -> Reading:
    """Find what a simple command makes of its words, the first of which is the command word."""
    states = {_ReaderState(WRAPPER, begins=True)}
    found: list[WordRole] = []
    shell_code: set[int] = set()
    for index, node in enumerate(words):
        worst, following = WordRole.DATA, set[_ReaderState]()
        for state in states:
            for role, after in _step(state, node):
                worst = max(worst, role)
                following.add(after)
                if role is WordRole.CODE and state.program.is_shell:
                    shell_code.add(index)
        if node.optional or node.splits:
            following |= states
        found.append(worst)
        states = following
    reads = any(state.program.reads and not (state.given or _has_code(state)) for state in states)
    is_filled = any("{}" in node.text for node in words)
    reads = reads or any(state.fed and (state.flagged or state.given) and is_filled for state in states)
    return Reading(found, shell_code, reads)


def _has_code(state: _ReaderState) -> bool:
    """Say whether its operands gave it something to run, so that it does not run its standard input."""
    counted = state.operands - state.program.skip
    return counted > 0 and not (state.program.command or state.program.rest is WordRole.CODE)


def _step(state: _ReaderState, node: Word) -> list[tuple[WordRole, _ReaderState]]:
    """List the roles that a word may have, each with the state after it."""
    program, text = state.program, node.text
    if state.pending is not None:
        if state.stops:
            return [(state.pending, _ReaderState(UNKNOWN))]
        given = state.given or state.pending is WordRole.CODE
        return [(state.pending, state._replace(pending=None, given=given))]
    if state.begins:
        return _begin(node)
    is_open = not state.ended and (not state.operands or program.permutes)
    if is_open and text == "--":
        return [(WordRole.DATA, state._replace(ended=True))]
    if is_open and len(text) > 1 and text[0] in "-+":
        return _option(state, text)
    return _operand(state, node, is_open=is_open)


def _begin(node: Word) -> list[tuple[WordRole, _ReaderState]]:
    """Read the command word."""
    if assigns(node.text):
        return [(WordRole.DATA, _ReaderState(WRAPPER, begins=True))]
    name = node.text.rpartition("/")[2]
    if VALUE in name:
        return (
            [(WordRole.CODE, _ReaderState(GUESSED))]
            if completes(name)
            else [(WordRole.COMMAND, _ReaderState(UNKNOWN))]
        )
    if name.startswith(EXPANSION):
        return [(WordRole.CODE, _ReaderState(GUESSED))]
    return [(WordRole.DATA, _ReaderState(program_of(node.text) or UNKNOWN))]


def _operand(state: _ReaderState, node: Word, *, is_open: bool) -> list[tuple[WordRole, _ReaderState]]:
    program, number = state.program, state.operands
    if program == UNKNOWN:
        return [(WordRole.DATA, state)]
    after = state._replace(operands=min(number + 1, program.skip + 2))
    guard = WordRole.OPERAND if is_open else WordRole.DATA
    if program == GUESSED:
        return [(WordRole.DATA, after)]
    if state.opens and (state.given or number):
        return [(WordRole.CODE, after)]
    if number < program.skip:
        return [(guard, after)]
    if program.command:
        return _command_operand(state, node, guard)
    if number == program.skip and not state.given and (program.first is WordRole.CODE or state.flagged):
        return [(WordRole.CODE, after)]
    role = program.rest if number > program.skip else min(program.first, WordRole.OPERAND)
    return [(guard if role is WordRole.OPERAND else role, after)]


def _command_operand(state: _ReaderState, node: Word, guard: WordRole) -> list[tuple[WordRole, _ReaderState]]:
    """Read an operand of a program that begins another."""
    if state.given:  # env -S: what follows belongs to that command
        return [(WordRole.CODE, state)]
    name, equals, _ = node.text.partition("=")
    if equals and VALUE in name:
        return [(WordRole.CODE, state)]
    begun = _begin(node)
    if assigns(node.text):  # env NAME=value
        return [(WordRole.DATA, state)]
    if state.program.feeds:
        begun = [(role, after._replace(fed=True)) for role, after in begun]
    if not state.program.loose:
        return begun
    stays = state._replace(found=True)
    if VALUE in node.text:
        return [(WordRole.DATA, stays)] if state.found else [*begun, (guard, stays)]
    return [*begun, (WordRole.DATA, stays)]


def _option(state: _ReaderState, text: str) -> list[tuple[WordRole, _ReaderState]]:
    program = state.program
    name, equals, _ = text.partition("=")
    if program == GUESSED:
        code = _any_code_option(text) is not None
        return [(WordRole.DATA, state._replace(pending=WordRole.CODE if code else None))]
    if text in program.commands:  # and find goes on after that command
        return [(WordRole.DATA, state), (WordRole.DATA, state._replace(begins=True))]
    if name in program.stops_words and name not in program.code_words:
        return [(WordRole.DATA, _ReaderState(UNKNOWN))]
    if name in program.code_words:
        state = state._replace(stops=name in program.stops_words)
        after = state._replace(given=True) if equals else state._replace(pending=WordRole.CODE)
        return [(WordRole.CODE if equals else WordRole.DATA, after)]
    if name in program.takes_words:
        return [(WordRole.DATA, state if equals else state._replace(pending=WordRole.DATA))]
    if text.startswith("--") or program.long_by_one_dash:
        if VALUE in name and program != UNKNOWN:
            return [(WordRole.CODE, state)]
        results = [(WordRole.DATA, state)]
        if program.command and not equals:  # it may take an argument
            results.append((WordRole.DATA, state._replace(pending=WordRole.DATA)))
        return results
    return _letters(state, text)


def _letters(state: _ReaderState, text: str) -> list[tuple[WordRole, _ReaderState]]:
    """One-letter options, several together."""
    program = state.program
    if program == UNKNOWN:
        return [(WordRole.DATA, state)]
    results: list[tuple[WordRole, _ReaderState]] = []
    for index, letter in enumerate(text[1:], 2):
        rest = text[index:]
        if letter in program.flagged:
            state = state._replace(flagged=True)
        elif letter in program.opens:
            state = state._replace(opens=True)
        elif letter in program.code:
            state = state._replace(stops=letter in program.stops)
            if rest and state.stops:
                return [*results, (WordRole.CODE, _ReaderState(UNKNOWN))]
            after = state._replace(given=True) if rest else state._replace(pending=WordRole.CODE)
            return [*results, (WordRole.CODE if rest else WordRole.DATA, after)]
        elif letter in program.takes:
            return [*results, (WordRole.DATA, state if rest else state._replace(pending=WordRole.DATA))]
        elif letter == VALUE:
            return [*results, (WordRole.CODE, state)]
        elif letter not in program.plain and not rest:  # not known: it may take an argument
            results.append((WordRole.DATA, state._replace(pending=WordRole.DATA)))
    return [*results, (WordRole.DATA, state)]
