"""Configuration files that a descriptor brings as lines with keys in them (`file-template`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.domain.tool import InputType, ToolInput, ToolOutput
from engine.planning.formats import Format, FormatReader, Unwritable, Writer, format_of
from engine.planning.rules import InvocationError
from engine.planning.shell import quote
from engine.planning.template import Keys, Slot, Template, Values, first_of, text_of

_Written = Callable[[Any], str]


class Configuration:
    """The configuration file of an output. Its name tells the format in which values are written; where it
    tells none, texts are quoted as for a shell: that is what bosh does.
    """

    def __init__(self, output: ToolOutput, keys: Keys) -> None:
        self._output = output
        self._keys = keys
        self._compiled: dict[Format | None, list[Template]] = {}

    def text(self, path: str, values: Values) -> str:
        """Render the text of the file; a line that names what has no value is empty.

        Raises:
            InvocationError: a value cannot be written in the format of its file.
        """
        format = format_of(path)
        if format not in self._compiled:
            self._compiled[format] = self._lines(format)
        lines = self._compiled[format]
        return "\n".join(line.fill(values) if line.is_complete(values) else "" for line in lines)

    def _lines(self, format: Format | None) -> list[Template]:
        reader = FormatReader(format) if format is not None else None
        return [self._line(line, reader, format) for line in self._output.file_template or ()]

    def _line(self, line: str, reader: FormatReader | None, format: Format | None) -> Template:
        pairs, tail = self._keys.split(line)
        following = [*(f"{literal}x" for literal, _ in pairs), tail][1:]
        slots: list[tuple[str, Slot]] = []
        for (literal, key), after in zip(pairs, following, strict=True):
            writer: Writer = quote
            if reader is not None:
                reader.feed(literal)
                writer = reader.writer(after)
                reader.value()
            slots.append((literal, self._slot(key, writer, format)))
        if reader is not None:
            reader.feed(f"{tail}\n")
        return Template(slots, tail)

    def _slot(self, key: str, writer: Writer, format: Format | None) -> Slot:
        return first_of([self._of(owner, writer, format) for owner in self._keys.owners[key]])

    def _of(self, one: ToolInput | ToolOutput, writer: Writer, format: Format | None) -> Slot:
        written = _written(one, self._stripped(one, writer), format)

        def slot(values: Values) -> str | None:
            if one.id not in values:
                return None
            try:
                return written(values[one.id])
            except Unwritable as error:
                raise InvocationError([f"input {one.id}: {error} ({self._output.id})"]) from None

        return slot

    def _stripped(self, one: ToolInput | ToolOutput, writer: Writer) -> Writer:
        """Make a writer of texts without the extensions that are to be taken off."""
        extensions = self._output.stripped_extensions if isinstance(one, ToolInput) else ()

        def write(text: str) -> str:
            for extension in extensions:
                text = text.replace(extension, "")
            return writer(text)

        return write if extensions else writer


def _written(one: ToolInput | ToolOutput, writer: Writer, format: Format | None) -> _Written:
    if isinstance(one, ToolOutput) or one.type in (InputType.STRING, InputType.FILE):
        separator = one.list_separator if isinstance(one, ToolInput) else " "
        each = format is None or "," in separator  # else a list is one text

        def text(value: Any) -> str:
            if type(value) is not list:
                return writer(str(value))
            if each:
                return separator.join(writer(str(entry)) for entry in value)
            return writer(separator.join(map(str, value)))

        return text
    if one.type is InputType.FLAG and format in (Format.JSON, Format.TOML):
        return lambda value: "true" if value else "false"
    return lambda value: text_of(one, value)
