"""Where in a shell command a value stands, and how it must be quoted there.

A descriptor's command line is shell text with keys in it. `Scanner` follows it the way a shell reads it, so
that each key is known to stand bare, in single quotes, in double quotes, or where no quoting is safe: in
backquotes, here-documents, comments, arithmetic or parameter expansions. There, only values of harmless
characters are accepted. In doubt the reading says EXPOSED. What programs run is told by `exposure`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Context(Enum):
    """The context of a value in a shell command."""

    BARE = "bare"
    SINGLE = "in single quotes"
    DOUBLE = "in double quotes"
    EXPOSED = "where quoting does not protect"


_needs_quoting = re.compile(r"[^\w@%+=:,./-]", re.ASCII).search
_active_in_double = re.compile(r'([\\"$`])')


def quote(text: str) -> str:
    """`text` as one shell word; exactly the text of `shlex.quote`."""
    if not text:
        return "''"
    if _needs_quoting(text) is None:
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def quote_in_single(text: str) -> str:
    """`text` to be put between single quotes that are already there."""
    return text.replace("'", "'\"'\"'")


def quote_in_double(text: str) -> str:
    """`text` to be put between double quotes that are already there."""
    return _active_in_double.sub(r"\\\1", text)


def is_harmless(text: str) -> bool:
    """Say whether a shell, and any interpreter that it may start, takes `text` as a plain word."""
    return _needs_quoting(text) is None


class _Frame(NamedTuple):
    """An open quote or substitution, and what to go back to when it closes."""

    opener: str  # one of ' " ` ( $( $(( ${
    words: list[str]
    word: str | None


class Scanner:
    """Scanner of a command, piece by piece; `context` is where the next value would stand."""

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self._words: list[str] = []  # of the current simple command, without their quotes
        self._word: str | None = None  # the current word
        self._after = ""  # an active backslash or dollar directly before
        self._comment = False
        self._delimiters: tuple[str, ...] = ()  # of here-documents whose end was not read yet
        self._delimits = ""  # "<<" or "<<-": the next word is a delimiter
        self._body: str | None = None  # the line so far of a here-document
        self._lost = False  # all that follows is exposed

    def after(self, text: str) -> Scanner:
        """Return a scanner that has also read `text`; this one stays where it is."""
        other = Scanner.__new__(Scanner)
        other.__dict__.update(self.__dict__)
        other._stack, other._words = list(self._stack), list(self._words)
        other.feed(text)
        return other

    def same_quoting(self, other: Scanner) -> bool:
        """Say whether both stand within the same quotes and substitutions."""
        mine, its = ([frame.opener for frame in one._stack] for one in (self, other))
        begun = other._delimits or other._delimiters != self._delimiters
        return mine == its and not (other._lost or other._comment or begun or other._after)

    def lose(self) -> None:
        """Take all that follows as exposed."""
        self._lost = True

    @property
    def context(self) -> Context:
        """Where a value put here would stand."""
        if self._lost or self._comment or self._after or self._delimits or self._body is not None:
            return Context.EXPOSED
        if any(frame.opener in ("`", "${", "$((") for frame in self._stack):
            return Context.EXPOSED
        quote = self._stack[-1].opener if self._stack else ""
        return {"'": Context.SINGLE, '"': Context.DOUBLE}.get(quote, Context.BARE)

    @property
    def closing(self) -> str:
        """The delimiter of a here-document that a value put here could complete, or ""."""
        if self._body is None:
            return ""
        delimiter = self._delimiters[0].removeprefix("<<").removeprefix("-")
        return delimiter if self._body.strip("\t").replace("\0", "") in delimiter else ""

    @property
    def word(self) -> str | None:
        """The word that is being read, without its quotes."""
        return self._word

    @property
    def is_at_top(self) -> bool:
        """Whether this is outside of quotes, substitutions and comments."""
        return not (self._stack or self._comment) and self._body is None

    @property
    def is_escaped(self) -> bool:
        """Whether a backslash takes the meaning from the next character."""
        return self._after == "\\"

    def value(self) -> None:
        """Note that a value was put here."""
        self._after = ""
        self._word = (self._word or "") + "\0"
        if self._body is not None:
            self._body += "\0"

    def feed(self, text: str) -> None:
        """Read a piece of the command."""
        at = 0
        while at < len(text):
            at += self._step(text, at)

    def _step(self, text: str, at: int) -> int:
        """Read one token; answer with its length."""
        char = text[at]
        top = self._stack[-1].opener if self._stack else ""
        before, self._after = self._after, ""
        if self._body is not None:
            self._here_document(char)
        elif self._comment or top == "'":
            self._skip(char)
        elif before == "\\":
            self._add(char)
        elif char == "\\":
            self._after = char
            self._add("")
        elif char == "$":
            return self._dollar(text, at)
        elif char in '`"' or (char == "'" and top != '"'):
            if before and char == "'":  # $'...' has rules of its own
                self.lose()
            self._quote_mark(char, top)
        elif top == "${":
            if char == "}":
                self._close()
        elif top == '"':
            self._add(char)
        else:
            return self._bare(text, at, top)
        return 1

    def _skip(self, char: str) -> None:
        """Within a comment or single quotes only one character matters: the one that ends it."""
        if self._comment:
            if char == "\n":
                self._comment = False
                self._end_command()
        elif char == "'":
            self._close()
        else:
            self._add(char)

    def _dollar(self, text: str, at: int) -> int:
        opener = next((one for one in ("$((", "$(", "${") if text.startswith(one, at)), "")
        self._add("$")
        if opener:
            self._open(opener)
            return len(opener)
        self._after = "$"
        return 1

    def _quote_mark(self, char: str, top: str) -> None:
        self._add("")
        if top == char:
            self._close()
        else:
            self._open(char)

    def _bare(self, text: str, at: int, top: str) -> int:
        char = text[at]
        if char == "#" and self._word is None:
            self._comment = True
        elif text.startswith("<<<", at):
            self._end_word()
            return 3
        elif text.startswith("<<", at) and top != "$((":
            self._end_word()
            self._delimits = "<<-" if text.startswith("<<-", at) else "<<"
            return len(self._delimits)
        elif char == "(":
            double = text.startswith("((", at)
            self._end_command()
            self._open("$((" if double else "(")
            return 2 if double else 1
        elif char == ")":
            return self._parenthesis(text, at, top)
        elif char in ";&|\n":
            self._end_command()
            if char == "\n" and self._delimiters:
                self._body = ""
        elif char in " \t<>":
            self._end_word()
        else:
            self._add(char)
        return 1

    def _parenthesis(self, text: str, at: int, top: str) -> int:
        if top == "$((":
            if not text.startswith("))", at):
                self.lose()  # ((a); b): not arithmetic after all
            self._close()
            return 2
        if top in ("(", "$("):
            self._close()
        return 1  # else: a pattern of `case`

    def _open(self, opener: str) -> None:
        self._stack.append(_Frame(opener, self._words, self._word))
        if opener not in ("'", '"'):
            self._words, self._word = [], None

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.opener not in ("'", '"'):
            self._words, self._word = frame.words, (frame.word or "") + "\0"

    def _add(self, char: str) -> None:
        self._word = (self._word or "") + char

    def _end_word(self) -> None:
        if self._word == "case" and self._stack:
            self.lose()  # the parentheses of its patterns would end a substitution too early
        if self._word is not None:
            self._words.append(self._word)
            if self._delimits:
                self._delimiters += (self._delimits + self._word,)
                self._delimits = ""
        self._word = None

    def _here_document(self, char: str) -> None:
        """Read on in the body; the line of its delimiter ends it."""
        if char != "\n":
            self._body = (self._body or "") + char
            return
        operator = "<<-" if self._delimiters[0].startswith("<<-") else "<<"
        line = (self._body or "").lstrip("\t") if operator == "<<-" else self._body
        if operator + (line or "") == self._delimiters[0]:
            self._delimiters = self._delimiters[1:]
        self._body = "" if self._delimiters else None

    def _end_command(self) -> None:
        self._end_word()
        if self._delimits:
            self.lose()  # a here-document without a delimiter
        self._words = []


def top_level_separators(command: str) -> int:
    """Return how often `;` or a new line divides commands of which the first may fail unseen.

    Those of `for`, `while`, `if` and `case`, and within substitutions, are not counted.
    """
    scanner = Scanner()
    count, depth = 0, 0
    for position, char in enumerate(command):
        before, escaped = scanner.word, scanner.is_escaped
        scanner.feed(char)
        if before is not None and scanner.word is None:
            depth += before in ("for", "while", "until", "if", "case")
            depth -= before in ("done", "fi", "esac")
        if char in ";\n" and scanner.is_at_top and not (depth or escaped):
            rest = command[position + 1 :].strip()
            count += bool(rest) and not rest.startswith((";", "#", "}"))
    return count
