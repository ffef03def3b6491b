"""Files over http(s) and dav(s), fetched: with resume after a cut, and compared with what is expected."""

import re
from typing import Dict, Optional

from wrappers.transfer import digest
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.client import RESTART_S, HttpClient
from wrappers.transfer.errors import Cut, Permanent, Transient, of_status
from wrappers.transfer.part import Part
from wrappers.transfer.response import Response

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")
_PROGRESS = 1 << 20  # bytes that a cut transfer must have brought to be resumed at once


def fetch(client: HttpClient, url: str, part: Part, access: Access = NOBODY) -> Dict[str, str]:
    """Bring a file here, going on after a cut as long as each try brings something, and once when it did not;
    gives its checksums.

    Raises:
        TransferError: it cannot be had, or is not what is expected.
        OSError: it cannot be written.
    """
    again = True
    while True:
        before = part.received
        try:
            _fetch_once(client, url, part, access)
            return part.verify(url, {} if part.expected.sums else _server_checksums(client, url, access))
        except Transient as error:
            if part.received - before < _PROGRESS or not part.size:
                if not (again and isinstance(error, Cut)):
                    raise
                again = False
                client.budget.pause(RESTART_S)
            client.budget.check()


def _fetch_once(client: HttpClient, url: str, part: Part, access: Access) -> None:
    offset = part.size if part.may_resume(url) else 0
    if offset and part.size == part.expected.size:
        return  # only its end was missed
    headers = {}
    if offset:
        # XRootD 5.5 answers an open range with nothing at all
        size = part.expected.size or part.total
        last = "" if size is None else str(size - 1)
        headers["Range"] = f"bytes={offset}-{last}"
    with client.request("GET", url, headers, access=access) as answer:
        if answer.status == 416 and offset:
            part.restart()
            raise Transient(f"{url}: the server has nothing from byte {offset} on")
        if not 200 <= answer.status < 300:
            raise of_status(answer.status, answer.headers, f"GET {url}")
        total = _accept(answer, url, part)
        for piece in answer.pieces():
            part.write(piece)
    if total is not None and part.size != total:
        raise Transient(f"{url}: {part.size} of {total} bytes came")


def _server_checksums(client: HttpClient, url: str, access: Access) -> Dict[str, str]:
    """Ask for the server's own checksums of a file of which nobody else gave one.

    By a HEAD of its own: when a GET asks for one, XRootD 5.5 gives the one of an earlier request, and answers
    500 instead of 404.
    """
    if client.gives_no_checksum(url):
        return {}
    with client.request("HEAD", url, dict(digest.ASK), access=access) as answer:
        found = digest.parse_digests(answer.headers) if 200 <= answer.status < 300 else {}
    if not found:
        client.note_no_checksum(url)
    return found


def _accept(answer: Response, url: str, part: Part) -> Optional[int]:
    """Decide where the answer's bytes belong; gives the size of the whole file if it is told."""
    start, total = 0, answer.length
    if answer.status == 206:
        start, total = content_range(answer.headers.get("content-range", ""))
    wanted = part.expected.size
    if total is not None and wanted is not None and total != wanted:
        raise Transient(f"{url}: it has {total} bytes, but {wanted} are expected")
    if not answer.framed and wanted is None and not part.expected.sums:
        raise Permanent(f"{url}: the server does not say where the file ends, and its size is not known")
    if not part.begin(url, f"{answer.headers.get('etag', '')} {total}", start):
        part.restart()
        raise Transient(f"{url}: what comes from byte {start} on is not the rest of what came before")
    part.total = total
    return total


def content_range(text: str) -> "tuple[int, Optional[int]]":
    """First byte and size of the whole (None when it is not told), of a Content-Range header.

    Raises:
        Transient: it is none.
    """
    match = _RANGE.match(text.strip())
    if match is None or int(match.group(1)) > int(match.group(2)):
        raise Transient(f"not a Content-Range of bytes: {text[:100]!r}")
    total = None if match.group(3) == "*" else int(match.group(3))
    if total is not None and total <= int(match.group(2)):
        raise Transient(f"not a Content-Range of bytes: {text[:100]!r}")
    return int(match.group(1)), total
