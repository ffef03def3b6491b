"""Reading the answers of WebDAV servers to PROPFIND (RFC 4918, 14.16). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

from engine.ports import Stat
from wrappers.transfer.errors import Transient

_DAV = "{DAV:}"
_NUMBER = re.compile(r"[0-9]{1,19}")
_NOT_IN_URLS = re.compile(r"[^!#-;=?-\[\]_a-~]")
"""What an escaped URL cannot hold: space, quotes, letters beyond ASCII."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as it was told."""

    href: str
    stat: Stat

    def name(self, escaped: bool) -> str:
        """Return the last part of its path; servers should escape it, and XRootD does not."""
        path = urlsplit(self.href).path if escaped else self.href
        last = path.rstrip("/").rpartition("/")[2]
        return unquote(last) if escaped else last


def parse(text: bytes, url: str) -> list[Resource]:
    """Parse the resources of a multistatus answer, the one that was asked about included.

    Raises:
        Transient: it is none.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - expat bounds what entities expand to
    except ET.ParseError as error:
        raise Transient(f"PROPFIND {url}: not a WebDAV answer: {error}") from None
    if root.tag != f"{_DAV}multistatus":
        raise Transient(f"PROPFIND {url}: not a WebDAV answer: <{root.tag}>")
    return list(_responses(root))


def looks_unescaped(listed: Sequence[Resource]) -> bool:
    """Say whether a path holds what no escaped one can."""
    return any(_NOT_IN_URLS.search(item.href) for item in listed)


def _responses(root: ET.Element) -> Iterator[Resource]:
    for response in root.iter(f"{_DAV}response"):
        href = response.findtext(f"{_DAV}href")
        properties = list(_properties(response))
        if href is None or not properties:
            continue
        found = {item.tag: item for group in properties for item in group}
        kind = found.get(f"{_DAV}resourcetype")
        directory = kind is not None and kind.find(f"{_DAV}collection") is not None
        size = _text(found.get(f"{_DAV}getcontentlength"))
        modified = seconds(_text(found.get(f"{_DAV}getlastmodified")))
        yield Resource(
            href.strip("\r\n"),
            Stat(int(size) if _NUMBER.fullmatch(size) and not directory else 0, modified, directory),
        )


def _properties(response: ET.Element) -> Iterator[ET.Element]:
    """Yield the groups of properties that were found: each has a status."""
    for group in response.iter(f"{_DAV}propstat"):
        properties = group.find(f"{_DAV}prop")
        status = group.findtext(f"{_DAV}status") or " 200 "
        if properties is not None and " 200" in status:
            yield properties


def _text(element: ET.Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def seconds(text: str) -> float:
    """Parse a date of HTTP to seconds since 1970; 0.0 when it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
