"""The fields of a provenance record, as the page about results names them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT
from wrappers.node.host import identify
from wrappers.wire import Image, RuntimeUsed

PAGE = Path("docs/reference/results.md")
BY_ID = ("public-invocation", "public-output.output-files")
"""Objects whose keys are ids of inputs and outputs."""
FREE = ("additional-information.parameters", "additional-information.environment")
"""Objects whose keys are the user's."""


def fields(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all that a record holds; `ID` stands for the ids of the descriptor."""
    for one in value if isinstance(value, list) else [value]:
        for key, inner in one.items() if isinstance(one, dict) and path not in FREE else ():
            below = f"{path}.{'ID' if path in BY_ID else key}".lstrip(".")
            yield below
            yield from fields(inner, below)


def fields_of(record: Path) -> set[str]:
    """The fields of a record that was made without a container, and those that it has with one."""
    found = set(fields(json.loads(record.read_text())))
    extra = {"image": Image._fields, "runtime": RuntimeUsed._fields, "host": (*identify().host, "site")}
    found |= {f"additional-information.{part}.{name}" for part, names in extra.items() for name in names}
    parents = {"summary", "public-output", "additional-information"} | {f"{path}.ID" for path in BY_ID}
    return found - parents


def named() -> set[str]:
    """The fields that the page explains."""
    return set(re.findall(r"^\| `([^`]+)` \|", (ROOT / PAGE).read_text(), re.M))
