"""Words that results carry on storages that keep any, so that others find them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.domain.tool import Tool

EXECUTION, JOB, PIPELINE, IMAGE = "engine_execution", "engine_job", "engine_pipeline", "engine_image"
TAG = "engine_tag_"
"""What the name of a tag of the descriptor begins with here."""
MOST_TAGS = 5
LONGEST = 128
"""Characters of a value: what a field of DIRAC's catalogue has room for."""

_not_in_names = re.compile(r"[^A-Za-z0-9_]")


def of_execution(id_: str, tool: Tool, image: str) -> dict[str, str]:
    """Return the labels of what belongs to an execution as a whole; `image` is the digest, "" is none."""
    pipeline = "/".join(part for part in (tool.name, tool.version) if part)
    words = {EXECUTION: id_, PIPELINE: pipeline, IMAGE: image}
    return {name: _cut(value) for name, value in {**words, **_tags(tool.tags)}.items() if value}


def of_job(words: Mapping[str, str], number: int) -> dict[str, str]:
    """Return the labels of a result of one job of an execution."""
    return {**words, JOB: str(number)}


def _tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return the first tags of a descriptor by name: a text, a list of texts, or just there."""
    found: dict[str, str] = {}
    for name in sorted(tags)[:MOST_TAGS]:
        value = tags[name]
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        found[TAG + _not_in_names.sub("_", name)[:64]] = "true" if value is True else text
    return found


def _cut(value: str) -> str:
    return " ".join(value.split())[:LONGEST]
