"""Sweeps: which inputs take which values, crossed or zipped; streamed, and never held in memory as a product.

The reserved key `"$sweep"` of an invocation holds `{"cross": {...}, "zip": {...}}`; the options `--cross` and
`--zip` say the same. Ids cannot contain `$`, so plain Boutiques tools refuse such an invocation cleanly.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from engine.domain.tool import Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.cells import value_from_text
from engine.planning.documents import decode, lines, parse_json, printable
from engine.planning.rules import similar
from engine.planning.tables import read_column

SWEEP = "$sweep"
MAX_VALUES = 1_000_000
"""Most values of one dimension; the product of dimensions is streamed and may be larger."""
_KINDS = "a list, {glob}, {lines}, {range} or {file, column}"


class Dimension(NamedTuple):
    """Inputs that change together: one input when crossed, several when zipped."""

    ids: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def product(dimensions: Sequence[Dimension]) -> Iterator[dict[str, Any]]:
    """All combinations, in the order of the dimensions, the last one changing fastest."""
    ids = [id for dimension in dimensions for id in dimension.ids]
    for rows in itertools.product(*(dimension.rows for dimension in dimensions)):
        yield dict(zip(ids, itertools.chain.from_iterable(rows), strict=True))


def sweep_dimensions(sweep: Any, tool: Tool, where: str) -> list[Dimension]:
    """Read the dimensions of a `$sweep` object. Raises BadRequest naming `where` and the field."""
    if not isinstance(sweep, Mapping) or not sweep or not sweep.keys() <= {"cross", "zip"}:
        raise BadRequest(f'{where}, {SWEEP}: an object with "cross" and "zip" is needed')
    dimensions = []
    for kind, body in sweep.items():
        groups = body if kind == "zip" and isinstance(body, list) else [body]
        for group in groups:
            if not isinstance(group, Mapping) or not group:
                raise BadRequest(f"{where}, {SWEEP}.{kind}: an object of input ids is needed")
            named = {
                id: _values(spec, _input(tool, id, where), f"{where}, {SWEEP} input {id}")
                for id, spec in group.items()
            }
            dimensions += _crossed(named) if kind == "cross" else [zipped(named, f"{where}, {SWEEP}.zip")]
    return without_repetition(dimensions, where)


def option_dimensions(cross: Sequence[str], zip: Sequence[str], tool: Tool) -> list[Dimension]:
    """Read the dimensions of `--cross id=values` and `--zip id=values`; all zips together are one
    dimension.
    """
    crossed = {
        id: _values_from_text(text, _input(tool, id, "--cross"), f"--cross {id}")
        for id, text in _pairs("--cross", cross)
    }
    together = {
        id: _values_from_text(text, _input(tool, id, "--zip"), f"--zip {id}")
        for id, text in _pairs("--zip", zip)
    }
    dimensions = _crossed(crossed) + ([zipped(together, "--zip")] if together else [])
    return without_repetition(dimensions, "--cross and --zip")


def constants(settings: Sequence[str], tool: Tool) -> dict[str, Any]:
    """Read the values of `--set id=value`."""
    return {id: value_from_text(_input(tool, id, "--set"), text) for id, text in _pairs("--set", settings)}


def zipped(named: Mapping[str, Sequence[Any]], where: str) -> Dimension:
    """Join inputs side by side. Raises BadRequest unless they have the same number of values."""
    lengths = {id: len(values) for id, values in named.items()}
    if len(set(lengths.values())) > 1:
        lengths_text = ", ".join(f"{id} has {length}" for id, length in lengths.items())
        raise BadRequest(f"{where}: inputs that are zipped need the same number of values: {lengths_text}")
    return Dimension(tuple(named), list(zip(*named.values(), strict=True)))


def _crossed(named: Mapping[str, Sequence[Any]]) -> list[Dimension]:
    return [Dimension((id,), [(value,) for value in values]) for id, values in named.items()]


def without_repetition(dimensions: list[Dimension], where: str) -> list[Dimension]:
    """Check that no input is in two dimensions, and return them. Raises BadRequest when one is."""
    ids = [id for dimension in dimensions for id in dimension.ids]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None:
        raise BadRequest(f"{where}: input {twice} is swept twice")
    return dimensions


def _values(spec: Any, one: ToolInput, where: str) -> Sequence[Any]:
    """List the values that a specification stands for."""
    if isinstance(spec, list):
        values: Sequence[Any] = _as_entries(one, spec)
    elif not isinstance(spec, Mapping):
        raise BadRequest(f"{where}: {_KINDS} is needed")
    elif spec.keys() == {"glob"} and isinstance(spec["glob"], str):
        values = _as_entries(one, _files(spec["glob"], where))
    elif spec.keys() == {"lines"} and isinstance(spec["lines"], str):
        values = [value_from_text(one, text) for text in _lines(spec["lines"], where)]
    elif spec.keys() == {"range"} and isinstance(spec["range"], list):
        values = _as_entries(one, _range(spec["range"], where))
    elif spec.keys() == {"file", "column"} and all(isinstance(text, str) for text in spec.values()):
        values = [value_from_text(one, text) for text in _column(spec["file"], spec["column"])]
    else:
        raise BadRequest(f"{where}: {_KINDS} is needed, not {{{', '.join(map(str, spec))}}}")
    if not values:
        raise BadRequest(f"{where}: no values")
    if len(values) > MAX_VALUES:
        raise BadRequest(f"{where}: {len(values)} values are more than {MAX_VALUES}")
    return values


def _values_from_text(text: str, one: ToolInput, where: str) -> Sequence[Any]:
    """Values on the command line: JSON, `glob:`, `lines:`, `range:`, `column:`, or a list with commas."""
    kind, colon, rest = text.partition(":")
    spec: Any
    if text.startswith(("[", "{")):
        spec = parse_json(text, where)
    elif colon and kind in ("glob", "lines"):
        spec = {kind: rest}
    elif colon and kind == "range":
        spec = {"range": [parse_json(number, where) for number in rest.split(":")]}
    elif colon and kind == "column":
        file, _, column = rest.rpartition(":")
        spec = {"file": file, "column": column}
    else:
        spec = [value_from_text(one, entry) for entry in text.split(",")]
    return _values(spec, one, where)


def _as_entries(one: ToolInput, values: Sequence[Any]) -> Sequence[Any]:
    """Return the values; for a list input each that is no list becomes a list of one."""
    return [value if isinstance(value, list) else [value] for value in values] if one.list else values


def _files(pattern: str, where: str) -> Sequence[str]:
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise BadRequest(f"{where}: no file matches {pattern}")
    return found


def _lines(name: str, where: str) -> list[str]:
    with _open(Path(name)) as stream:
        return [decode(text, printable(name), line=number) for number, text in lines(stream, printable(name))]


def _column(name: str, column: str) -> list[str]:
    with _open(Path(name)) as stream:
        return read_column(stream, printable(name), column, tabs=name.endswith(".tsv"))


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise BadRequest(f"{printable(path)}: {getattr(error, 'strerror', None) or error}") from None


def _range(bounds: list[Any], where: str) -> Sequence[Any]:
    """From the first to the second number, both included when the step meets them; in exact decimals."""
    if len(bounds) not in (2, 3) or any(type(bound) not in (int, float) for bound in bounds):
        raise BadRequest(f"{where}: a range is [first, last] or [first, last, step], in numbers")
    first, last, step = (Decimal(str(bound)) for bound in (*bounds, 1)[:3])
    if not step or (last - first) / step < 0:
        raise BadRequest(f"{where}: a range with step {step} does not lead from {first} to {last}")
    try:
        count = int((last - first) // step) + 1
    except InvalidOperation:
        count = MAX_VALUES + 1
    if count > MAX_VALUES:
        raise BadRequest(f"{where}: the range has more than {MAX_VALUES} values")
    kind = int if all(type(bound) is int for bound in bounds) else float
    return [kind(first + position * step) for position in range(count)]


def _pairs(option: str, given: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for one in given:
        id, equals, text = one.partition("=")
        if not equals:
            raise BadRequest(f"{option} {one}: it has no value", remedy=f"write {option} INPUT=VALUE")
        if id in seen:
            raise BadRequest(f"{option} {one}: input {id} is given twice")
        seen.add(id)
        yield id, text


def _input(tool: Tool, id: str, where: str) -> ToolInput:
    one = tool.input(id)
    if one is None:
        known = [one.id for one in tool.inputs]
        raise BadRequest(f"{where}: {tool.name} has no input {id!r}{similar(id, known)}")
    return one
