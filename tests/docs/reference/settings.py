"""Every setting with its variable, type, default and meaning, from the classes that hold them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, NamedTuple, get_args
from unittest import mock

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.ports import CredentialKind
from engine.settings.backends import LOCAL, kind_named
from engine.settings.node import NodeSettings
from engine.settings.section import RuntimeName, Section
from engine.settings.tree import Settings
from tests.docs.markdown import code, table
from tests.docs.sources import field_docstrings, written_types

MACHINE = {"owner": "the name of the account", "backends.NAME.slots": "all cores of the machine"}
"""Settings whose default differs from machine to machine."""

KINDS = sorted(
    (one.name for one in entry_points(group="engine.backends") if one.value.startswith("engine.")),
    key=lambda name: (name != LOCAL, name),
)
"""Kinds of back-ends of ours, this machine first."""

_HOME = "/home/you"


class Setting(NamedTuple):
    """One setting, as the page shows it."""

    key: str
    variable: str
    type: str
    default: str
    meaning: str
    kinds: tuple[str, ...] = ()
    """Kinds of back-ends that have it."""


def every() -> Iterator[Setting]:
    """The settings in the order of the file."""
    environment = {"HOME": _HOME, **{name: "" for name in os.environ if name.startswith("XDG_")}}
    with mock.patch.dict(os.environ, environment):  # its defaults depend on nothing else
        yield from _section(Settings, "")
        yield from _of_backends()


def _of_backends() -> Iterator[Setting]:
    """The settings of back-ends, those of several kinds once."""
    found = dict[Setting, list[str]]()
    for kind in KINDS:
        for one in _section(kind_named(kind).section, "backends.NAME."):
            found.setdefault(one, []).append(kind)
    yield from (one._replace(kinds=tuple(kinds)) for one, kinds in found.items())


def _section(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    types, meanings = dict[str, str](), dict[str, str]()
    for base in reversed([base for base in model.__mro__ if issubclass(base, Section)]):
        types |= written_types(base)
        meanings |= field_docstrings(base)
    for name, field in model.model_fields.items():
        key = prefix + name
        if key == "backends" or (prefix.endswith(".NAME.node.") and is_as_here(model, name)):
            continue  # back-ends have a table of their own, and nodes have what `node` has
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _section(field.annotation, f"{key}.")
            continue
        if one := _named(field.annotation):
            yield from _section(one, f"{key}.NAME.")
            continue
        named = ".NAME." in key and not key.startswith("backends.")
        variable = "" if named else "ENGINE_" + key.replace(".", "__").upper()
        yield Setting(key, variable, _type(types[name]), _default(key, field), meanings.get(name, ""))


def is_as_here(model: type[BaseModel], name: str) -> bool:
    """Whether nodes have this setting just as this machine has it."""
    return next(base for base in model.__mro__ if name in base.__annotations__) is NodeSettings


def _named(annotation: Any) -> type[BaseModel] | None:
    """The section of which there is one for each name."""
    of = get_args(annotation)[-1:]
    return of[0] if of and isinstance(of[0], type) and issubclass(of[0], BaseModel) else None


def _type(text: str) -> str:
    if text.startswith("Literal["):
        null = " or null" if text.endswith("| None") else ""
        words, _, _ = text.removeprefix("Literal[").partition("]")
        return "one of " + ", ".join(re.findall(r"[\w.]+", words)) + null
    names = ", ".join(get_args(RuntimeName))
    return {
        "str": "text",
        "CredentialKind": f"one of {', '.join(get_args(CredentialKind))}",
        "Annotated[str, AfterValidator(_is_installed)]": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "Path": "path",
        "Path | None": "path or null",
        "ServerUrl": "URL",
        "GridName": "name: letters, digits, `.`, `_` and `-`",
        "tuple[GridName, ...]": "list of names",
        "int | None": "whole number or null",
        "float | None": "number or null",
        "bool | None": "true, false or null",
        "tuple[str, ...]": "list of texts",
        "tuple[IPv4Network, ...]": "list of IPv4 networks",
        "tuple[IPvAnyNetwork, ...]": "list of addresses and networks",
        "tuple[RuntimeName, ...]": f"list of {names}",
        "dict[str, tuple[str, ...]]": "text -> list of texts",
        "dict[str, GroupName]": "text -> name of a group",
    }[text]


def _default(key: str, field: FieldInfo) -> str:
    if key in MACHINE:
        return MACHINE[key]
    if field.is_required():
        return "must be given"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    text = {None: "null", True: "true", False: "false", "": '""'}.get(value) if _simple(value) else None
    if isinstance(value, tuple):
        text = "[" + ", ".join(value) + "]"
    return code((text or str(value)).replace(f"{_HOME}/", "~/").replace("sqlite:///~", f"sqlite:///{_HOME}"))


def _simple(value: Any) -> bool:
    return value is None or isinstance(value, (bool, str))


def reference() -> str:
    """The table of all settings but those of back-ends."""
    header = ["key", "variable", "type", "default", "meaning"]
    return table(
        header,
        [
            (code(s.key), s.variable and code(s.variable), s.type, s.default, s.meaning)
            for s in every()
            if not s.kinds
        ],
    )


def of_backends() -> str:
    """The table of what can be set for each kind of back-end."""
    header = ["key", "kinds", "type", "default", "meaning"]
    return table(
        header,
        [(code(s.key), ", ".join(s.kinds), s.type, s.default, s.meaning) for s in every() if s.kinds],
    )


PARTS = {"settings": reference, "settings-backends": of_backends}
