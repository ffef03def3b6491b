"""Configuration files in a known format: text values written so that they are read back as they are.

bosh puts a shell's quotes around them, which no reader of JSON, YAML, TOML or INI takes off. Here each value
is written for the format and the place where its key stands: as the inside of a quoted text, as a text of its
own, or as a part of an unquoted one. What no writing can bring back is refused.
"""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Callable
from enum import Enum, StrEnum

Writer = Callable[[str], str]
"""Writes a value for its place. Raises Unwritable."""


class Format(StrEnum):
    """A format that we can write."""

    JSON = "JSON"
    YAML = "YAML"
    TOML = "TOML"
    INI = "INI"


class Unwritable(ValueError):
    """A value that cannot be written at its place; the message says what is in the way."""


class _Inside(Enum):
    NOTHING = ""
    DOUBLE = '"'
    SINGLE = "'"
    LONG_DOUBLE = '"""'
    LONG_SINGLE = "'''"
    COMMENT = "#"


_SUFFIXES = {
    ".json": Format.JSON,
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".toml": Format.TOML,
    ".ini": Format.INI,
}
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false").fullmatch
_TOKENS = {  # what opens or closes a text or a comment, the longest first
    Format.JSON: re.compile(r"\\.|[\"\n]"),
    Format.TOML: re.compile(r"\\.|\"\"\"|'''|[\"'#\n]"),
    Format.YAML: re.compile(r"\\.|''|[\"'#\n]"),
    Format.INI: re.compile(r"[\"'\n#;]"),
}
_PLAIN = re.compile(
    r"(?!(?:yes|no|on|off|y|n|null|true|false)$)[A-Z_/][\w@%+=./-]*", re.ASCII | re.IGNORECASE
).fullmatch
_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def format_of(path: str) -> Format | None:
    """Find the format that the name of a file says; None when it says none of ours."""
    return _SUFFIXES.get(os.path.splitext(path)[1].lower())


class FormatReader:
    """Follows a template as a reader of the format does: where does the next key stand?"""

    def __init__(self, format: Format) -> None:
        self._format = format
        self._inside = _Inside.NOTHING
        self._line = ""

    def feed(self, literal: str) -> None:
        """Go on over a part of the template."""
        end = 0
        for match in _TOKENS[self._format].finditer(literal):
            mark = match.group()
            if mark == "\n":
                self._line, end = "", match.end()
                if self._inside in (_Inside.COMMENT, _Inside.DOUBLE, _Inside.SINGLE):
                    self._inside = _Inside.NOTHING  # a text on one line that was not closed is none
            elif self._inside is _Inside.NOTHING:
                self._open(mark, literal[end : match.start()])
            elif mark == self._inside.value or (mark == "\\'" and self._inside is _Inside.SINGLE):
                self._inside = _Inside.NOTHING
        self._line += literal[end:]

    def _open(self, mark: str, before: str) -> None:
        line = self._line + before
        plain = self._format in (Format.YAML, Format.INI)
        if mark == "#" and self._format is Format.YAML:
            opens = not line or line[-1].isspace()
        elif mark in ("#", ";"):
            opens = not plain or not line.strip()
        else:
            opens = not plain or _begins_value(line.rstrip())
        if opens:
            kind = "#" if mark == ";" else mark
            self._inside = next((one for one in _Inside if one.value == kind), _Inside.NOTHING)

    def value(self) -> None:
        """Go on over a value."""
        self._line += "x"

    def writer(self, after: str) -> Writer:
        """Return how a value is written here; `after` is what follows on its line, keys left out."""
        if self._inside is _Inside.COMMENT:
            return _on_one_line
        if self._inside in (_Inside.DOUBLE, _Inside.LONG_DOUBLE):
            return _no_quote('"') if self._format is Format.INI else _escaped
        if self._inside is _Inside.SINGLE and self._format is Format.YAML:
            return _doubled
        if self._inside in (_Inside.SINGLE, _Inside.LONG_SINGLE):
            return _no_quote("'")
        if self._format is Format.INI:
            return _on_one_line
        if self._format is Format.YAML:
            whole = _begins_value(self._line.rstrip()) and bool(re.match(r"\s*(?:$|[,\]}]|\s#)", after))
            return _plain_or_quoted if whole else _plain_part
        return _literal_or_quoted


def _begins_value(line: str) -> bool:
    """Say whether a value begins after this part of a line."""
    return not line.strip() or line.endswith((":", "=", "-", "[", "{", ",", "?", "|", ">"))


def _escaped(text: str) -> str:
    """Escape a text for double quotes, as JSON, YAML and TOML all read it."""
    return _control.sub(lambda found: f"\\u{ord(found.group()):04x}", _json_inside(text))


def _json_inside(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _literal_or_quoted(text: str) -> str:
    """Write a number, true or false as it is, as with bosh; anything else as a text."""
    return text if _LITERAL(text) else _quoted(text)


def _plain_or_quoted(text: str) -> str:
    return text if _PLAIN(text) or _LITERAL(text) else _quoted(text)


def _plain_part(text: str) -> str:
    if _control.search(text) or re.search(r": |:$| #|[\[\]{},]|^\s|\s$", text) or text[:1] in "\"'&*!|>%@`#":
        raise Unwritable("has characters that need quotes there, and the template has none")
    return text


def _doubled(text: str) -> str:
    return _on_one_line(text).replace("'", "''")


def _no_quote(quote: str) -> Writer:
    def write(text: str) -> str:
        if quote in text:
            raise Unwritable(f"a {quote} cannot be written there")
        return _on_one_line(text)

    return write


def _on_one_line(text: str) -> str:
    if _control.search(text.replace("\t", "")):
        raise Unwritable("a line break, or another control character, cannot be written there")
    return text
