"""Publishing descriptors on Zenodo, and finding those that are there: as bosh does, by its own description
of a record and its own search; the steps are those of Zenodo's documentation, each with its answer checked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from engine.errors import BadRequest, EngineError, NotFound, Unavailable
from engine.planning import bosh
from engine.planning.zenodo_api import Zenodo

MOST = 25
"""Records that Zenodo gives to who shows no token."""
_RECORD = re.compile(r"(?:https?://doi\.org/|doi:)?(?:10\.\d+/)?zenodo\.(\d+)", re.IGNORECASE)
_KEYWORDS = "keywords:(/Boutiques/) AND keywords:(/schema.*/) AND keywords:(/version.*/)"
_DEPOSITS = "deposit/depositions"


def number_of(doi: str) -> str:
    """Return the number of a record that a DOI names; empty when it names none of Zenodo."""
    found = _RECORD.fullmatch(doi)
    return found[1] if found else ""


def search(zenodo: Zenodo, words: str, *, most: int, whole: bool) -> list[dict[str, Any]]:
    """Find published descriptors, the one that was downloaded most often first; deprecated ones are left out.

    Raises:
        BadRequest: Zenodo does not understand the question.
        Unavailable: it does not answer.
    """
    answer = _query(zenodo, bosh.zenodo_query(words, exact=False))
    found = bosh.zenodo_hits(answer, most, whole=whole)
    if found is None:
        raise Unavailable(f"{zenodo.endpoint} answers a search with something else than records")
    return found


def named(zenodo: Zenodo, name: str) -> str:
    """Find the number of the newest record of a tool of this very name; empty: there is none."""
    with suppress(NotFound, KeyError, TypeError, AttributeError):
        for hit in _query(zenodo, bosh.zenodo_query(name, exact=True))["hits"]["hits"]:
            if hit["metadata"]["title"] == name:
                return str(int(hit["id"]))
    return ""


def publish(zenodo: Zenodo, data: Mapping[str, Any], name: str, earlier: str = "") -> str:
    """Publish a descriptor as a file called `name`, as a new version of the record `earlier` (its number) or
    as a new record; gives its DOI. What fails before the end leaves nothing there.

    Raises:
        BadRequest: Zenodo does not take it, or the record is another's.
        CredentialExpired: the token is not accepted.
        Unavailable: Zenodo does not answer, or not what it documents.
    """
    what = f"descriptor {data['name']}"
    record = bosh.zenodo_record(data)
    content = json.dumps({key: value for key, value in data.items() if key != "doi"}, indent=4).encode()
    draft = (
        _new_version(zenodo, what, earlier) if earlier else _id(zenodo.request("POST", _DEPOSITS, what, {}))
    )
    try:
        zenodo.request("PUT", f"{_DEPOSITS}/{draft}", what, record)
        deposit = zenodo.request("GET", f"{_DEPOSITS}/{draft}", what)
        for file in deposit.get("files") or ():  # of the version before
            zenodo.request("DELETE", f"{_DEPOSITS}/{draft}/files/{quote(str(file['id']), safe='')}", what)
        stored = zenodo.request("PUT", f"{_bucket(deposit, what)}/{quote(name, safe='')}", what, content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if stored.get("checksum") != f"md5:{md5}":
            raise Unavailable(f"{what}: {zenodo.endpoint} has something else than was sent")
    except BaseException:
        with suppress(EngineError):
            zenodo.request("DELETE", f"{_DEPOSITS}/{draft}", what)
        raise
    return _published(zenodo, what, draft)


def _published(zenodo: Zenodo, what: str, draft: str) -> str:
    try:
        record = zenodo.request("POST", f"{_DEPOSITS}/{draft}/actions/publish", what)
    except Unavailable as error:  # it may be done all the same
        with suppress(EngineError):
            record = zenodo.request("GET", f"{_DEPOSITS}/{draft}", what)
            if record.get("submitted") is True and number_of(str(record.get("doi"))):
                return str(record["doi"])
        raise Unavailable(
            f"{error.message}; it may be published all the same",
            remedy=f"look at {zenodo.endpoint}/deposit/{draft}",
        ) from None
    doi = str(record.get("doi", ""))
    if not number_of(doi):
        raise Unavailable(f"{what}: published as record {draft}, but {zenodo.endpoint} gives no DOI of it")
    return doi


def _new_version(zenodo: Zenodo, what: str, earlier: str) -> str:
    try:
        record = zenodo.request("POST", f"{_DEPOSITS}/{earlier}/actions/newversion", what)
    except BadRequest as error:
        raise type(error)(
            f"zenodo.{earlier}: no new version of it can be made: {error.message}",
            remedy="only who published a record makes new versions of it; --new publishes another one",
        ) from None
    links = record.get("links")
    found = str(links.get("latest_draft", "") if isinstance(links, dict) else "").rpartition("/")[2]
    if not found.isdecimal():
        raise Unavailable(f"{what}: {zenodo.endpoint} gives no draft of a new version")
    return found


def _id(record: Mapping[str, Any]) -> str:
    found = str(record.get("id", ""))
    if not found.isdecimal():
        raise Unavailable("Zenodo gives no number of a new record")
    return found


def _bucket(record: Mapping[str, Any], what: str) -> str:
    links = record.get("links")
    found = links.get("bucket") if isinstance(links, dict) else None
    if not isinstance(found, str) or "://" not in found:
        raise Unavailable(f"{what}: Zenodo gives no URL for its file")
    return found.rstrip("/")


def _query(zenodo: Zenodo, line: str) -> dict[str, Any]:
    query = quote(f"{_KEYWORDS}{line}", safe="%:/()[]*.")
    path = f"records/?q={query}&file_type=json&type=software&page=1&size={MOST}"
    return zenodo.request("GET", path, "search")
