"""The commands of a script, and what each makes of its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tree_sitter import Node

from engine.planning.evaluators import Reading, Word, roles
from engine.planning.programs import EXPANSION, VALUE, WordRole, is_run, runs_arguments
from engine.planning.syntax import compares, text_of, words_of

POSITIONAL = frozenset("0123456789@*")
"""Names of positional parameters."""


class Mark(NamedTuple):
    """A value's place in a text, in bytes."""

    start: int
    end: int


class CommandReader:
    """Reader of simple commands, each once."""

    def __init__(
        self,
        values: Mapping[str, str],
        optional: Sequence[Mark],
        evaluated: Callable[[str], set[str]],
    ) -> None:
        """Take the values. `evaluated` says which variables another text of shell code evaluates."""
        self._optional = optional
        self._marks = re.compile("|".join(map(re.escape, values))) if values else None
        self._values = values
        self._evaluated = evaluated
        self._readings: dict[int, tuple[list[Node], Reading]] = {}
        self._texts: dict[int, str] = {}

    def evaluated_in(self, text: str) -> set[str]:
        """Find the variables that a text of shell code evaluates."""
        return self._evaluated(text.replace(EXPANSION, "X"))

    def text(self, node: Node) -> str:
        """Return a word without its quotes, with VALUE in it for each value."""
        known = self._texts.get(node.id)
        if known is None:
            known = text_of(node)
            if self._marks:
                known = self._marks.sub(lambda found: self._values[found.group()], known)
            self._texts[node.id] = known
        return known

    def _as_word(self, node: Node) -> Word:
        span = (node.start_byte, node.end_byte)
        absent = any(start <= span[0] and span[1] <= end for start, end in self._optional)
        return Word(
            self.text(node), absent, node.type in ("simple_expansion", "expansion", "command_substitution")
        )

    def reading(self, command: Node) -> tuple[list[Node], Reading]:
        """Read the words of a simple command, and what it makes of them."""
        known = self._readings.get(command.id)
        if known is None:
            nodes = words_of(command)
            words = [self._as_word(node) for node in nodes]
            reading = roles(words)
            known = self._readings[command.id] = nodes, self._corrected(command, words, reading)
        return known

    def _corrected(self, command: Node, words: Sequence[Word], reading: Reading) -> Reading:
        """Correct what words say only together, or by what is known of the script."""
        texts = [node.text for node in words]
        found = list(reading.roles)
        if command.type == "declaration_command":
            sets = any(re.match(r"-[A-Za-z]*[in]", text) for text in texts)
            found = [
                WordRole.CODE if sets or VALUE in text.partition("=")[0] else WordRole.DATA for text in texts
            ]
        elif texts and texts[0] in ("test", "[") and any(compares(text) for text in texts):
            found = [WordRole.CODE] * len(texts)
        for index, text in enumerate(texts):
            name, equals, _ = text.partition("=")
            if equals and is_run(name):
                found[index] = WordRole.CODE
            if runs_arguments(text) and (text.startswith("-m") or texts[index - 1 : index] == ["-m"]):
                found[index + 1 :] = [WordRole.CODE] * (len(found) - index - 1)
        for index in sorted(reading.shell_code):
            if VALUE not in texts[index] and self.evaluated_in(texts[index]) & POSITIONAL:
                found[index + 1 :] = [WordRole.CODE] * (len(found) - index - 1)
        return reading._replace(roles=found)
