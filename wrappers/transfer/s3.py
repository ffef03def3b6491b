"""Objects in S3: on a node by presigned URLs that the engine makes, so no key ever comes here."""

from typing import Dict

from wrappers.transfer import digest, http
from wrappers.transfer.errors import Permanent, Transient, of_status
from wrappers.transfer.part import Part
from wrappers.transfer.source import Source
from wrappers.transfer.url_access import TransferTools, UrlAccess
from wrappers.transfer.webdav import compare


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Bring an object here by its presigned URL; gives its checksums.

    Raises:
        TransferError: it cannot be had, or is not what is expected.
        OSError: it cannot be written.
    """
    return http.fetch(tools.client, _presigned(access), part)


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Store an object by its presigned URL; gives `md5` when the ETag says that, else `size`.

    S3 writes an object whole or not at all; it tells its md5 as the ETag, but not where a bucket is encrypted
    with keys of its own.

    Raises:
        TransferError: it is not there, or not what was sent.
        OSError: the source cannot be read.
    """
    with tools.client.request("PUT", _presigned(access), body=source) as answer:
        status, headers = answer.status, answer.headers
    if not 200 <= status < 300:
        raise of_status(status, headers, f"PUT {access.url}")
    sums = digest.of_etag(headers)
    if sums:
        return compare(access.url, sums, source)
    if not headers.get("etag"):
        raise Transient(f"PUT {access.url}: the answer has no ETag, so this is no S3 that has the object")
    return "size"


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Nothing: what is not whole is not there."""


def _presigned(access: UrlAccess) -> str:
    if access.use == access.url:
        raise Permanent(f"{access.url}: the engine gave no presigned URL, and a node has no keys for S3")
    return access.use
