"""Files over http(s) and dav(s), stored: sent whole, then compared with what the server says it holds.

The caller's path is its own (an attempt's, or a temporary name): so there is no temporary name here.
"""

from typing import Dict, List
from urllib.parse import urlsplit, urlunsplit

from wrappers.transfer import digest
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.checksums import Hasher
from wrappers.transfer.client import HttpClient
from wrappers.transfer.errors import Mismatch, NotHere, Permanent, Transient, of_status
from wrappers.transfer.source import Source

_NO_PARENT = (404, 409)
_PREFERRED = ("sha256", "adler32", "md5")


class WebdavUploader:
    """An uploader of files, which remembers what it learnt of the servers. Shared by threads."""

    def __init__(self, client: HttpClient, read_back: int) -> None:
        """Files of more than `read_back` bytes are compared by size where a server tells no checksum."""
        self._client = client
        self._most = read_back

    def store(self, url: str, source: Source, access: Access = NOBODY) -> str:
        """Store one file; gives how the server was seen to hold it: the name of a checksum, `read` (it was
        read back), or `size`.

        Raises:
            TransferError: it is not there, or not what was sent.
            OSError: the source cannot be read.
        """
        status, headers = self._put(url, source, access)
        if status in _NO_PARENT and self.make_parents(url, access):
            status, headers = self._put(url, source, access)
        if not 200 <= status < 300:
            raise of_status(status, headers, f"PUT {url}")
        sums = digest.parse_digests(headers)
        return compare(url, sums, source) if sums else self._verify(url, source, access)

    def remove(self, url: str, access: Access = NOBODY) -> None:
        """Remove a file; nothing there is fine.

        Raises:
            TransferError: it may still be there.
        """
        with self._client.request("DELETE", url, access=access) as answer:
            if not 200 <= answer.status < 300 and answer.status != 404:
                raise of_status(answer.status, answer.headers, f"DELETE {url}")

    def _put(self, url: str, source: Source, access: Access) -> "tuple[int, Dict[str, str]]":
        with self._client.request("PUT", url, body=source, access=access) as answer:
            return answer.status, answer.headers

    def _verify(self, url: str, source: Source, access: Access) -> str:
        small = source.size <= self._most
        if small and self._client.gives_no_checksum(url):
            return self._read_back(url, source, access)
        with self._client.request("HEAD", url, dict(digest.ASK), access=access) as answer:
            status, headers, size = answer.status, answer.headers, answer.length
        if not 200 <= status < 300:
            error = of_status(status, headers, f"HEAD {url}")
            raise Transient(f"{error}, though it was just stored") if isinstance(error, NotHere) else error
        if size is not None and size != source.size:
            raise Mismatch(f"{url}: the server holds {size} bytes of {source.size}")
        sums = digest.parse_digests(headers)
        if sums:
            return compare(url, sums, source)
        self._client.note_no_checksum(url)
        if small or size is None:
            return self._read_back(url, source, access)
        return "size"

    def _read_back(self, url: str, source: Source, access: Access) -> str:
        algorithm = "sha256"
        hasher = Hasher([algorithm])
        with self._client.request("GET", url, access=access) as answer:
            if not 200 <= answer.status < 300:
                raise of_status(answer.status, answer.headers, f"GET {url}")
            for piece in answer.pieces():
                hasher.update(piece)  # type: ignore[arg-type]  # any buffer will do
        if hasher.results()[algorithm] != source.sum(algorithm):
            raise Mismatch(f"{url}: the server gives back something else than was stored")
        return "read"

    def make_parents(self, url: str, access: Access) -> bool:
        """Make the collections above a file; whether there was anything to make.

        Raises:
            TransferError: a server does not answer.
        """
        missing: List[str] = []
        made = False
        for collection in _above(url):
            if self._make(collection, access) not in _NO_PARENT:
                made = True
                break
            missing.append(collection)
        for collection in reversed(missing):
            made = self._make(collection, access) not in _NO_PARENT
        return made

    def _make(self, collection: str, access: Access) -> int:
        """Make a collection, and return the status of the answer; 405 says that it is there (RFC 4918,
        9.3.1).
        """
        with self._client.request("MKCOL", collection, access=access) as answer:
            return answer.status


def compare(url: str, sums: Dict[str, str], source: Source) -> str:
    """Find the name of the checksum by which storage and source agree.

    Raises:
        Mismatch: they do not.
    """
    known = [name for name in _PREFERRED if name in sums]
    cheap = [name for name in known if name in source.sums()]
    if not known:
        raise Permanent(f"{url}: no checksum that is known here")
    for name in cheap or known:
        if source.sum(name) != sums[name]:
            raise Mismatch(f"{url}: the storage holds {name} {sums[name]}, not {source.sum(name)}")
    return (cheap or known)[0]


def _above(url: str) -> List[str]:
    """URLs of the collections above a file, the nearest first; with a slash at the end, as nginx wants."""
    parts = urlsplit(url)
    names = parts.path.strip("/").split("/")[:-1]
    return [
        urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(names[:depth]) + "/", "", ""))
        for depth in range(len(names), 0, -1)
    ]
