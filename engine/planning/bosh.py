"""The only door to the boutiques package: validation of descriptors.

The package is imported when first needed, since that costs 0.2 s. Its `localExec` is never used: it evaluates
user text as Python, writes files while it renders, and changes the process environment.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any


def version() -> str:
    """The version of the installed boutiques package, without importing it."""
    return metadata.version("boutiques")


def problems(data: Mapping[str, Any]) -> list[str]:
    """What the boutiques package has against a descriptor, one line each; empty when it is valid."""
    from boutiques.validator import DescriptorValidationError, validate_descriptor

    candidate = _around_crashes(data)
    try:
        validate_descriptor(candidate)
    except DescriptorValidationError as error:
        return _schema_problems(data) or [
            line.strip() for line in str(error.args[0]).splitlines() if line.strip()
        ]
    except Exception as error:  # the validator assumes much of a descriptor's consistency: any type may come
        return _schema_problems(data) or _shared_keys(data) or [f"boutiques cannot check it: {error!r}"]
    return _schema_problems(data) if candidate != data else []


def _schema_problems(data: Mapping[str, Any]) -> list[str]:
    """Violations of the JSON schema of Boutiques, each with its place in the descriptor."""
    import boutiques
    import jsonschema

    schema = json.loads((Path(boutiques.__file__).parent / "schema" / "descriptor.schema.json").read_text())
    found = jsonschema.Draft4Validator(schema).iter_errors(data)
    return [f"{_place(data, error.absolute_path)}{_shortened(error.message)}" for error in found]


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
    return candidate


def _shared_keys(data: Mapping[str, Any]) -> list[str]:
    """Value-keys of several inputs in a descriptor without groups, on which the validator falls over."""
    owners: dict[str, list[str]] = {}
    for one in data.get("inputs", ()):
        if one.get("value-key"):
            owners.setdefault(one["value-key"], []).append(one["id"])
    return [
        f"{' and '.join(ids)} share the value-key {key} without being in one mutually exclusive group"
        for key, ids in owners.items()
        if len(ids) > 1
    ]
