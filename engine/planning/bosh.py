"""The only door to the boutiques package: validation of descriptors.

The package is imported when first needed, since that costs 0.2 s. Its `localExec` is never used: it evaluates
user text as Python, writes files while it renders, and changes the process environment.
"""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.planning.consistency import inconsistencies

logger = logging.getLogger("engine.planning")
_KIND = re.compile(r"^\w+Error: ")
"""What the boutiques package puts before a line."""
_FAILS = "its fields contradict each other, so that the boutiques package cannot check it"


def version() -> str:
    """The version of the installed boutiques package, without importing it."""
    return metadata.version("boutiques")


def problems(data: Mapping[str, Any]) -> list[str]:
    """What the boutiques package has against a descriptor, one line each; empty when it is valid."""
    from boutiques.validator import DescriptorValidationError, validate_descriptor

    if found := [*_schema_problems(data)] or [*inconsistencies(data)]:
        return found
    try:
        validate_descriptor(_around_crashes(data))
    except DescriptorValidationError as error:
        lines = (line.strip() for line in str(error.args[0]).splitlines())
        return [_KIND.sub("", line) for line in lines if line]
    except Exception:  # the validator assumes much of a descriptor's consistency: any type may come
        logger.debug("the validator of boutiques fails", exc_info=True)
        return [_FAILS]
    return []


def _schema_problems(data: Mapping[str, Any]) -> list[str]:
    """Violations of the JSON schema of Boutiques, each with its place in the descriptor."""
    import boutiques
    import jsonschema

    schema = json.loads((Path(boutiques.__file__).parent / "schema" / "descriptor.schema.json").read_text())
    kind = jsonschema.validators.extend(jsonschema.Draft4Validator, {"uniqueItems": _unique_items})
    found = kind(schema).iter_errors(data)
    return [
        f"{_place(data, error.absolute_path)}{_shortened(_without_json(error.message, error.instance))}"
        for error in found
    ]


def _unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[Exception]:
    """Find equal elements by their text: the library compares each with each (3 s for 1,000 inputs)."""
    import jsonschema

    if wanted and isinstance(instance, list):
        texts = {json.dumps(one, sort_keys=True) for one in instance}
        if len(texts) < len(instance):
            yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")


def _place(data: Mapping[str, Any], path: Any) -> str:
    """`inputs mask: ` rather than `inputs.3.minimum`: people know inputs by id."""
    words, value = [], data
    for step in path:
        value = value[step]
        name = (
            value.get("id", value.get("name")) if isinstance(value, dict) and isinstance(step, int) else None
        )
        words.append(str(name if name is not None else step))
    return f"{' '.join(words)}: " if words else ""


def _without_json(message: str, instance: Any) -> str:
    """A message that would begin with the whole JSON of a list or an object."""
    kind = "a list" if isinstance(instance, list) else "an object"
    return message.replace(repr(instance), kind, 1) if isinstance(instance, (list, dict)) else message


def _shortened(message: str) -> str:
    return message if len(message) <= 160 else f"{message[:80]} ... {message[-70:]}"


def _around_crashes(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy on which the validator does not fall over: it asks for keys that the schema leaves optional."""
    candidate = copy.deepcopy(dict(data))
    image = candidate.get("container-image")
    if isinstance(image, dict) and image.get("type") == "rootfs":
        del candidate["container-image"]
    outputs = candidate.get("output-files")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and "conditional-path-template" in output:
            output.setdefault("optional", False)
    for number, one in enumerate(candidate["inputs"]):
        if "value-key" not in one:  # it looks for one when other inputs share theirs
            one["value-key"] = f"\x00{number}\x00"
            candidate["command-line"] += one["value-key"]
    return candidate
