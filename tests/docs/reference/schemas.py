"""JSON Schemas and tables of what engine and node exchange, from the codec's own annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

from tests.docs.markdown import code, table
from tests.docs.sources import field_comments
from wrappers import wire

DOCUMENTS: dict[str, Any] = {"manifest": wire.Manifest, "report": wire.Report, "node": wire.Node}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def files() -> dict[Path, dict[str, Any]]:
    """The schema of each document, by the place where it is shipped."""
    return {Path("config/schema", f"{name}.json"): schema(kind) for name, kind in DOCUMENTS.items()}


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a document. Unknown keys are allowed: readers ignore them."""
    parts = {one.__name__: _object(one) for one in below(kind)}
    return {
        "$schema": DIALECT,
        "title": kind.__name__,
        **_object(kind),
        **({"$defs": parts} if parts else {}),
    }


def _object(kind: Any) -> dict[str, Any]:
    meanings, defaults = field_comments(kind), kind._field_defaults
    properties = {}
    for name, wanted in kind.__annotations__.items():
        described = {"description": meanings[name]} if name in meanings else {}
        default = {"default": wire.to_json(defaults[name])} if name in defaults else {}
        properties[name] = {**_type(wanted), **described, **default}
    return {
        "description": _first_line(kind),
        "type": "object",
        "required": [name for name in kind._fields if name not in defaults],
        "properties": properties,
    }


def _type(wanted: Any) -> dict[str, Any]:
    if wanted is Any:
        return {}
    if wanted in SIMPLE:
        return {"type": SIMPLE[wanted]}
    if hasattr(wanted, "_fields"):
        return {"$ref": f"#/$defs/{wanted.__name__}"}
    arguments = get_args(wanted)
    if type(None) in arguments:
        return {"anyOf": [_type(arguments[0]), {"type": "null"}]}
    if get_origin(wanted) is list:
        return {"type": "array", "items": _type(arguments[0])}
    return {"type": "object", "additionalProperties": _type(arguments[1])}


def below(kind: Any) -> list[Any]:
    """The documents inside of a document, each once, in the order of their fields."""
    found: dict[str, Any] = {}
    for wanted in kind.__annotations__.values():
        for one in _leaves(wanted):
            if hasattr(one, "_fields"):
                found |= {part.__name__: part for part in [one, *below(one)]}
    return list(found.values())


def _leaves(wanted: Any) -> Iterator[Any]:
    arguments = get_args(wanted)
    if not arguments:
        yield wanted
    for argument in arguments:
        yield from _leaves(argument)


def tables(kind: Any) -> str:
    """The fields of a document and of the documents inside of it."""
    parts = [f"{_first_line(kind)}\n\n{_fields(kind)}"]
    parts += [f"### {one.__name__}\n\n{_first_line(one)}\n\n{_fields(one)}" for one in below(kind)]
    return "\n".join(parts)


def _first_line(kind: Any) -> str:
    return str(kind.__doc__ or "").split("\n")[0]


def _fields(kind: Any) -> str:
    meanings, defaults = field_comments(kind), kind._field_defaults
    rows = [
        (code(name), _words(wanted), "required" if name not in defaults else "", meanings.get(name, ""))
        for name, wanted in kind.__annotations__.items()
    ]
    return table(["field", "type", "", "meaning"], rows)


def _words(wanted: Any) -> str:
    if wanted is Any:
        return "any"
    if not get_args(wanted):
        return SIMPLE.get(wanted) or f"[{wanted.__name__}](#{wanted.__name__.lower()})"
    first, last = get_args(wanted)[0], get_args(wanted)[-1]
    if last is type(None):
        return f"{_words(first)} or null"
    return f"list of {_words(first)}" if get_origin(wanted) is list else f"string -> {_words(last)}"


PARTS: dict[str, Callable[[], str]] = {
    f"wire.{name}": partial(tables, kind) for name, kind in DOCUMENTS.items()
}
