"""A setting that no code reads is a promise that nobody keeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from engine.settings.tree import Settings
from tests.conftest import ROOT
from wrappers import wire


def attributes(*parts: str) -> set[str]:
    """The names of all attributes that the code of these packages reads."""
    files = [path for part in parts for path in (ROOT / part).rglob("*.py")]
    trees = [ast.parse(path.read_text()) for path in files if "settings" not in path.parts]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}


def names(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting with its path, sections included."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}", name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from names(kind, f"{prefix}{name}.")


def test_every_setting_is_read_somewhere() -> None:
    read = attributes("engine", "wrappers")
    assert [path for path, name in names(Settings) if name not in read] == []


def test_all_that_is_said_of_a_node_is_read_there() -> None:
    read = attributes("wrappers")
    assert [name for name in wire.Node._fields if name not in read] == []


def test_every_setting_of_a_node_reaches_it() -> None:
    ours = Settings().node.__class__.model_fields
    told = {*wire.Node._fields, "network"}  # which is of each job: it is in the manifest
    assert [name for name in ours if name not in told] == []
