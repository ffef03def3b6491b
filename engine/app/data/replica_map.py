"""Catalogue entries as ReplicaMap JSON, the form in which DiracX hands files from infrastructure to payload.

Source: `diracx.core.models.replica_map` of diracx-core 0.7.0. Checksums beside adler32 are kept under their
names; a reader that knows only adler32 and GUID ignores them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from engine.domain.catalogue import CatalogueEntry, checked
from engine.errors import BadRequest
from wrappers.transfer.checksums import ALGORITHMS


def dumps(entries: Iterable[CatalogueEntry], storage_name: Callable[[str], str] | None = None) -> str:
    """Render the text of a map; `storage_name` gives the storage element of a URL, its host by default."""
    named = storage_name or (lambda url: urlsplit(url).hostname or "localhost")
    return json.dumps({one.name: _value(one, named) for one in entries}, indent=1, ensure_ascii=False)


def loads(text: str | bytes, where: str) -> list[CatalogueEntry]:
    """Parse the entries of a map.

    Raises:
        BadRequest: it is no such map; names the place.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"{where}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadRequest(f"{where}: a ReplicaMap is an object of logical names")
    problems: list[str] = []
    entries: list[CatalogueEntry] = []
    for name, value in data.items():
        try:
            entries.append(_entry(name, value))
        except BadRequest as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise BadRequest(problems[0], problems=problems)
    return entries


def _value(one: CatalogueEntry, named: Callable[[str], str]) -> dict[str, Any]:
    value: dict[str, Any] = {"replicas": [{"url": url, "se": named(url)} for url in one.replicas]}
    if one.size:  # the model refuses 0: an empty file is known by its checksum
        value["size_bytes"] = one.size
    if one.checksums:
        value["checksum"] = dict(one.checksums)
    return value


def _entry(name: str, value: Any) -> CatalogueEntry:
    if not isinstance(value, dict):
        raise BadRequest(f"{name}: an object is needed")
    replicas, size, sums = value.get("replicas"), value.get("size_bytes"), value.get("checksum") or {}
    if not isinstance(replicas, list) or not replicas:
        raise BadRequest(f"{name}: replicas: at least one is needed")
    given = [str(one.get("url")) for one in replicas if isinstance(one, dict)]
    urls = [url.removeprefix("PFN:") for url in given]
    if len(urls) != len(replicas) or not all(urlsplit(url).scheme for url in urls):
        raise BadRequest(f"{name}: replicas: each needs a url")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise BadRequest(f"{name}: size_bytes: {size!r} is no number of bytes")
    if not isinstance(sums, dict) or not all(isinstance(text, str) for text in sums.values()):
        raise BadRequest(f"{name}: checksum: an object of texts is needed")
    checksums = {kind: text.lower() for kind, text in sums.items() if kind in ALGORITHMS}
    if size is None and checksums.get("adler32") == "00000001":
        size = 0
    return CatalogueEntry(checked(name.removeprefix("LFN:")), size, checksums, tuple(urls))
