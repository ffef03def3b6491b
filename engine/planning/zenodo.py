"""Descriptors published on Zenodo, brought into bosh's cache: whole and verified, or not at all.

Source: Zenodo's REST API (https://developers.zenodo.org, `GET /api/records/:id`): a record lists its files
with `key`, `size`, `checksum` (`md5:` and hexadecimal digits) and `links.self`. The boutiques package
searches for the record instead, verifies nothing, and leaves a cut transfer in the cache as if complete.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadRequest, NotFound, Unavailable

if TYPE_CHECKING:
    from engine.http import HttpAnswer

ENDPOINT = "https://zenodo.org"
TIMEOUT_S = 30.0
"""Seconds without a byte."""
LARGEST = 16 << 20
"""Bytes of a record, or of a descriptor."""


def cached(number: str) -> Path:
    """Return where bosh keeps `zenodo.<number>`."""
    return Path(os.path.expanduser("~/.cache/boutiques/production")) / f"zenodo-{number}.json"


def fetch(number: str, endpoint: str = ENDPOINT) -> Path:
    """Download `zenodo.<number>` into bosh's cache.

    Raises:
        NotFound: there is no such record.
        BadRequest: it holds no descriptor.
        Unavailable: Zenodo does not answer, or not what it documents.
    """
    what = f"zenodo.{number}"
    record = _get(f"{endpoint.rstrip('/')}/api/records/{number}", what).fields()
    try:
        file = _descriptor_of(record or {})
        url, checksum, size = str(file["links"]["self"]), str(file["checksum"]), int(file["size"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unavailable(f"{what}: {endpoint} answers with something else than a record") from None
    except StopIteration:
        raise BadRequest(f"{what}: the record holds no JSON file, so it is no descriptor") from None
    if not url.startswith(("https://", endpoint.rstrip("/") + "/")):
        raise Unavailable(f"{what}: {endpoint} names a file at {url}, which is not fetched")
    if size > LARGEST:
        raise BadRequest(f"{what}: its file has {size} bytes; a descriptor has at most {LARGEST}")
    data = _get(url, what).content
    if len(data) != size:
        raise Unavailable(f"{what}: {len(data)} of {size} bytes came", remedy="try again")
    algorithm, _, digits = checksum.rpartition(":")
    if algorithm not in ("", "md5", "sha256") or not _is(data, algorithm or "md5", digits):
        raise Unavailable(f"{what}: what came is not what its checksum {checksum} says", remedy="try again")
    return _keep(data, cached(number))


def _descriptor_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the first JSON file of a record."""
    return next(file for file in record["files"] if str(file["key"]).lower().endswith(".json"))


def _get(url: str, what: str) -> HttpAnswer:
    from engine import http  # not for a file: it would cost every command 10 ms

    try:
        answer = http.request(url, timeout=TIMEOUT_S, largest=LARGEST, redirects=True)
    except http.NoHttpAnswer as error:
        raise Unavailable(f"{what} cannot be fetched from {url}: {error}", remedy="try later") from None
    if answer.status in (404, 410):
        raise NotFound(f"{what}: no such record on Zenodo")
    if answer.status >= 300:
        raise Unavailable(f"{what}: {url} answers with status {answer.status}", remedy="try later")
    return answer


def _is(data: bytes, algorithm: str, digits: str) -> bool:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == digits.lower()


def _keep(data: bytes, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
            file.write(data)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from None
    return path
