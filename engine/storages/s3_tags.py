"""Tags of S3 objects: two requests that obstore does not know, on addresses that are signed here.

Some services take `PUT ?tagging` for a PUT of the object itself. So an object's tags are asked for first, and
written only where the answer is a list of tags.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from engine.errors import BadRequest
from wrappers.transfer.client import Bytes, HttpClient
from wrappers.transfer.errors import of_status

MOST = 10
"""Tags that an object of S3 may have."""
Keys = tuple[str, str, str]
"""Access key, secret key, session token."""
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_ALGORITHM = "AWS4-HMAC-SHA256"
_SECONDS = 300
_LONGEST_ANSWER = 64 << 10
_not_in_tags = re.compile(r"[^\w +\-=.:/@]")


def put_tags(
    client: HttpClient,
    address: str,
    words: Mapping[str, str],
    keys: Keys,
    region: str,
    now: float,
) -> None:
    """Have an object carry these tags beside those that it has; `address` is its URL, not signed.

    Raises:
        BadRequest: the service keeps no tags, or not so many.
        TransferError: it refuses, or does not answer.
    """
    held = _tags(client, signed("GET", address, keys, region, now))
    wanted = {**held, **{name: _not_in_tags.sub("_", value)[:256] for name, value in words.items()}}
    if wanted == held:
        return
    if len(wanted) > MOST:
        raise BadRequest(
            f"{address}: an object has at most {MOST} tags, and this one has {len(held)} of others"
        )
    body = _document(wanted)
    digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    url = signed("PUT", address, keys, region, now)
    with client.request("PUT", url, {"Content-MD5": digest}, Bytes(body)) as answer:
        if not 200 <= answer.status < 300:
            raise of_status(answer.status, answer.headers, f"PUT {address}?tagging")


def signed(method: str, address: str, keys: Keys, region: str, now: float) -> str:
    """Sign the address of an object's tags, with a signature of version 4 in its query."""
    access, secret, session = keys
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{access}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(_SECONDS),
        "X-Amz-SignedHeaders": "host",
        "tagging": "",
    }
    if session:
        query["X-Amz-Security-Token"] = session
    listed = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
    parts = urlsplit(address)
    request = "\n".join([method, parts.path, listed, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join([_ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{address}?{listed}&X-Amz-Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"


def _tags(client: HttpClient, url: str) -> dict[str, str]:
    """Read the tags of an object."""
    shown = f"{url.partition('?')[0]}?tagging"
    with client.request("GET", url) as answer:
        if not 200 <= answer.status < 300:
            raise of_status(answer.status, answer.headers, f"GET {shown}")
        text = b""
        for piece in answer.pieces():
            text += bytes(piece)
            if len(text) > _LONGEST_ANSWER:
                answer.close()
                break
    try:
        root = ET.fromstring(text)  # noqa: S314 - expat bounds what entities expand to
    except ET.ParseError:
        root = ET.Element("")
    if root.tag.removeprefix(_NAMESPACE) != "Tagging":
        raise BadRequest(f"{shown}: this service keeps no tags of objects")
    found = {}
    for one in root.iter():
        if one.tag.removeprefix(_NAMESPACE) == "Tag":
            pair = {field.tag.removeprefix(_NAMESPACE): field.text or "" for field in one}
            found[pair.get("Key", "")] = pair.get("Value", "")
    return found


def _document(tags: Mapping[str, str]) -> bytes:
    root = ET.Element("Tagging", xmlns=_NAMESPACE[1:-1])
    every = ET.SubElement(root, "TagSet")
    for name, value in sorted(tags.items()):
        one = ET.SubElement(every, "Tag")
        ET.SubElement(one, "Key").text = name
        ET.SubElement(one, "Value").text = value
    return str(ET.tostring(root, encoding="unicode")).encode()
