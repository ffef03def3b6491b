"""The only way to the boutiques package: validation of descriptors, and its words for Zenodo.

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

from engine.errors import BadRequest
from engine.planning.consistency import inconsistencies
from engine.planning.schema_words import specific, worded

logger = logging.getLogger("engine.planning")
_KIND = re.compile(r"^\w+Error: ")
"""What the boutiques package puts before a line."""
_FAILS = "its fields contradict each other, so that the boutiques package cannot check it"


def version() -> str:
    """Read the version of the installed boutiques package, without importing it."""
    return metadata.version("boutiques")


def problems(data: Mapping[str, Any]) -> list[str]:
    """List what the boutiques package has against a descriptor, one line each; empty when it is valid."""
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


def zenodo_record(data: Mapping[str, Any]) -> dict[str, Any]:
    """Make the record of a descriptor for Zenodo with the boutiques package: title, author, keywords, related
    works.

    Raises:
        BadRequest: it cannot.
    """
    from boutiques.publisher import Publisher

    class OfflinePublisher(Publisher):  # type: ignore[misc] # untyped
        """A publisher that asks nobody: its own constructor writes the token into `~/.boutiques`."""

        def __init__(self) -> None:
            self.descriptor = dict(data)
            self.creator, self.url = data.get("author"), data.get("url")
            self.tool_doi, self.descriptor_url = data.get("tool-doi"), data.get("descriptor-url")
            self.online_platforms = data.get("online-platform-urls")

    try:
        made: dict[str, Any] = OfflinePublisher().create_metadata()
    except Exception:  # it assumes types of what the schema leaves open
        logger.debug("the publisher of boutiques fails", exc_info=True)
        raise BadRequest(
            "the boutiques package can make no record of it", remedy="look at its tags"
        ) from None
    return made


def zenodo_query(words: str, *, exact: bool) -> str:
    """Make the query of a search on Zenodo with the boutiques package."""
    from boutiques.searcher import Searcher

    return str(Searcher(words or None, exact_match=exact).query_line)


def zenodo_hits(answer: Mapping[str, Any], most: int, *, whole: bool) -> list[dict[str, Any]] | None:
    """Select what the boutiques package shows of the records of a search; None when they are none."""
    from boutiques.searcher import Searcher

    try:
        found = Searcher(None, max_results=most, no_trunc=whole).create_results_list(answer)
        return [{str(key).lower(): value for key, value in one.items()} for one in found]
    except Exception:  # it assumes the shape of an answer
        logger.debug("the searcher of boutiques fails", exc_info=True)
        return None


def _schema_problems(data: Mapping[str, Any]) -> list[str]:
    """Violations of the JSON schema of Boutiques, each with its place in the descriptor."""
    import boutiques
    import jsonschema

    schema = json.loads((Path(boutiques.__file__).parent / "schema" / "descriptor.schema.json").read_text())
    kind = jsonschema.validators.extend(jsonschema.Draft4Validator, {"uniqueItems": _unique_items})
    found = specific(kind(schema).iter_errors(data))
    return [f"{_field(data, error.absolute_path)}{worded(error)}" for error in found]


def _unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[Exception]:
    """Find equal elements by their text: the library compares each with each (3 s for 1,000 inputs)."""
    import jsonschema

    if wanted and isinstance(instance, list):
        texts = {json.dumps(one, sort_keys=True) for one in instance}
        if len(texts) < len(instance):
            yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")


def _field(data: Mapping[str, Any], path: Any) -> str:
    """Rewrite `inputs.3.minimum` as `inputs mask: `: people know inputs by id."""
    words, value = [], data
    for step in path:
        value = value[step]
        name = (
            value.get("id", value.get("name")) if isinstance(value, dict) and isinstance(step, int) else None
        )
        words.append(str(name if name is not None else step))
    return f"{' '.join(words)}: " if words else ""


def _around_crashes(data: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a descriptor so that the validator does not fail on it: it asks for keys that the schema leaves
    optional.
    """
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
