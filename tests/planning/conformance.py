"""The conformance descriptors and vectors, read once per process. See tests/data/conformance/README.md."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.planning import CompiledTool, Descriptor, compile_tool

DATA = Path(__file__).resolve().parents[1] / "data" / "conformance"
Key = tuple[str, str]
"""Source and path of a descriptor."""


def _records(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


@functools.cache
def descriptors() -> dict[Key, Descriptor]:
    """All descriptors."""
    return {
        (one["source"], one["descriptor"]): Descriptor.of(one["content"], one["descriptor"])
        for one in _records("descriptors.jsonl.gz")
    }


@functools.cache
def tools() -> dict[Key, CompiledTool]:
    """All descriptors, compiled."""
    return {key: compile_tool(one, check=False) for key, one in descriptors().items()}


@functools.cache
def vectors() -> list[dict[str, Any]]:
    """All vectors."""
    return list(_records("vectors.jsonl.gz"))


def key_of(vector: dict[str, Any]) -> Key:
    """The descriptor that a vector belongs to."""
    return vector["source"], vector["descriptor"]
