"""Finding and reading Boutiques descriptors: from a file, or by their Zenodo number from bosh's cache."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadRequest, NotFound
from engine.planning import zenodo
from engine.planning.dialects import standard
from engine.planning.documents import printable, read_json

_ZENODO = re.compile(r"(?:https?://doi\.org/|doi:)?(?:10\.5281/)?zenodo\.([0-9]{1,12})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor as it was read, of the schema 0.5: nothing of it is checked yet but that it is a JSON
    object.
    """

    data: Mapping[str, Any]
    sha256: str
    """Of its canonical JSON (sorted keys, no spaces): the same descriptor whatever its layout."""
    source: str
    """Where it was found, for messages."""

    @classmethod
    def of(cls, data: Mapping[str, Any], source: str = "descriptor", path: Path | None = None) -> Descriptor:
        """Make a descriptor from a plain object, which was found at `path`.

        Raises:
            BadRequest: it is of a dialect, and cannot be read as one of the schema 0.5.
        """
        data = standard(data, source, path)
        return cls(data, canonical_sha256(data), source)


def is_published(name: str) -> bool:
    """Say whether this is `zenodo.N`, `10.5281/zenodo.N` or its DOI URL."""
    return _ZENODO.fullmatch(name) is not None


def load_descriptor(
    name: str | Path, *, network: bool = False, endpoint: str = zenodo.ENDPOINT
) -> Descriptor:
    """Load the descriptor called `name`: a file, or `zenodo.N`, `10.5281/zenodo.N` or its DOI URL.

    A Zenodo descriptor is looked for in bosh's cache (`~/.cache/boutiques/production`) and fetched only when
    `network` is true, from `endpoint`.

    Raises:
        NotFound: there is no such file or record, or it is not in the cache.
        BadRequest: it is not an acceptable JSON object; the message names file and line.
        Unavailable: Zenodo does not answer.
    """
    published = _ZENODO.fullmatch(str(name))
    path = Path(name)
    if published and not path.is_file():
        path = _from_zenodo(published.group(1), network, endpoint)
    data = read_json(path)
    if not isinstance(data, dict):
        raise BadRequest(f"{printable(path)}: a descriptor is a JSON object, this is {_kind(data)}")
    if "command-line" not in data and "inputs" not in data:
        raise BadRequest(
            f"{printable(path)}: not a Boutiques descriptor: it has neither command-line nor inputs",
            remedy="the descriptor comes first, invocations after it",
        )
    return Descriptor.of(data, str(name), path)


def canonical_sha256(value: Any) -> str:
    """Compute the sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _from_zenodo(number: str, network: bool, endpoint: str) -> Path:
    path = zenodo.cached(number)
    if path.is_file():
        return path
    if not network:
        raise NotFound(
            f"zenodo.{number}: not in {path.parent}", remedy="--network fetches it; so does `bosh pull`"
        )
    return zenodo.fetch(number, endpoint)


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
