"""Files in Girder (a data platform), over its REST interface: `girder://HOST/collection/X/folder/file`.

The engine gives the base of that interface and a token. Uploads go in chunks, and a cut one goes on where the
server says. Girder tells no checksum: sizes are compared.
"""

import json
import posixpath
from typing import Any, Dict, Iterator, Mapping
from urllib.parse import unquote, urlencode, urlsplit

from wrappers.transfer import http
from wrappers.transfer.client import Bytes
from wrappers.transfer.errors import Mismatch, NotHere, Permanent, Transient, of_status
from wrappers.transfer.part import Part
from wrappers.transfer.source import Source
from wrappers.transfer.url_access import TransferTools, UrlAccess

CHUNK = 64 << 20  # bytes; Girder's assetstores want at least 5 MiB
_PIECE = 1 << 20
_TRIES = 4  # for one chunk


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Bring a file here; `use` is the base of the REST interface, or where the file is downloaded.

    Raises:
        TransferError: it cannot be had, or is not what is expected.
        OSError: it cannot be written.
    """
    use = access.use
    if not use.endswith("/download"):
        rest = GirderServer(tools, access)
        found = rest.lookup(_path(access))
        if found["_modelType"] not in ("item", "file"):
            raise Permanent(f"{access.url} is a {found['_modelType']}, not a file")
        if found["_modelType"] == "item":
            rest.only_file(found)
        use = f"{use.rstrip('/')}/{found['_modelType']}/{found['_id']}/download"
    return http.fetch(tools.client, use, part, access.access)


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Store a file, making the folders above it; gives `size`.

    Raises:
        TransferError: it is not there, or has another size.
        OSError: the source cannot be read.
    """
    rest = GirderServer(tools, access)
    path = _path(access)
    name = posixpath.basename(path)
    rest.discard(path)  # of a try that was cut, or whose answer was
    upload = rest.begin(rest.folder(posixpath.dirname(path)), name, source.size)
    stored = upload if source.size == 0 else rest.send(upload["_id"], source)
    size = rest.json("GET", f"file/{stored['_id']}").get("size")
    if size != source.size:
        raise Mismatch(f"{access.url}: the server holds {size} bytes of {source.size}")
    source.sums()
    return "size"


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Remove a file; nothing there is fine.

    Raises:
        TransferError: it may still be there.
    """
    GirderServer(tools, access).discard(_path(access))


class GirderServer:
    """The REST interface of one server."""

    def __init__(self, tools: TransferTools, access: UrlAccess) -> None:
        if access.use == access.url:
            raise Permanent(f"{access.url}: the engine gave no token for this Girder: is it in the settings?")
        self._client = tools.client
        self._base = access.use.rstrip("/")
        self._access = access.access

    def json(self, method: str, what: str, body: bytes = b"", **query: Any) -> Dict[str, Any]:
        """Send a request, and return the object that answers it."""
        found = self.ask(method, what, body, **query)
        return found if isinstance(found, dict) else {}

    def ask(self, method: str, what: str, body: bytes = b"", **query: Any) -> Any:
        """Send a request, and return the JSON that answers it.

        Raises:
            TransferError: there is none.
        """
        url = f"{self._base}/{what}" + ("?" + urlencode(query) if query else "")
        given = Bytes(body) if method in ("POST", "PUT") else None
        with self._client.request(method, url, body=given, access=self._access) as answer:
            text = answer.read()
            if answer.status == 400 and b"not found" in text.lower() and what == "resource/lookup":
                raise NotHere(f"{query.get('path')}: there is none")
            if not 200 <= answer.status < 300:
                raise of_status(answer.status, answer.headers, f"{method} {url}")
        try:
            return json.loads(text.decode("utf-8") or "null")
        except ValueError:
            raise Transient(f"{method} {url}: the answer is not JSON") from None

    def lookup(self, path: str) -> Dict[str, Any]:
        """Look up the resource at a path: its `_id` and `_modelType`.

        Raises:
            NotHere: there is none.
        """
        found = self.json("GET", "resource/lookup", path=path)
        if "_id" not in found or "_modelType" not in found:
            raise NotHere(f"{path}: there is none")
        return found

    def only_file(self, item: Mapping[str, Any]) -> Dict[str, Any]:
        """Find the file of an item.

        Raises:
            Permanent: it has none or several; Girder would give an archive of them.
        """
        held = self.ask("GET", f"item/{item['_id']}/files", limit=0)
        if len(held) != 1:
            raise Permanent(f"{item.get('name')}: this item of Girder has {len(held)} files, not one")
        return dict(held[0])

    def folder(self, path: str) -> Dict[str, Any]:
        """Find the folder at a path; what is missing of it is made."""
        try:
            return self.lookup(path)
        except NotHere:
            if path.count("/") <= 2:  # /collection/X and /user/X are not ours to make
                raise
        above, name = posixpath.split(path)
        parent = self.folder(above)
        query = {"parentType": parent["_modelType"], "parentId": parent["_id"], "reuseExisting": "true"}
        return dict(self.json("POST", "folder", name=name, **query), _modelType="folder")

    def discard(self, path: str) -> None:
        """Remove what is at a path, if something is."""
        try:
            found = self.lookup(path)
        except NotHere:
            return
        if found["_modelType"] in ("item", "file"):
            self.json("DELETE", f"{found['_modelType']}/{found['_id']}")

    def begin(self, parent: Dict[str, Any], name: str, size: int) -> Dict[str, Any]:
        """Announce a file; gives the upload, or the file itself when it is empty."""
        if parent["_modelType"] != "folder":
            raise Permanent(f"Girder keeps files in folders, not in a {parent['_modelType']}")
        query = {"parentType": "folder", "parentId": parent["_id"], "name": name, "size": size}
        return self.json("POST", "file", **query)

    def send(self, upload: str, source: Source) -> Dict[str, Any]:
        """Send a file chunk by chunk; gives what the server says of the last one: the file."""
        offset = 0
        answer: Dict[str, Any] = {}
        for chunk in _chunks(source):
            answer = self._chunk(upload, offset, chunk)
            offset += len(chunk)
        return answer

    def _chunk(self, upload: str, offset: int, chunk: bytes) -> Dict[str, Any]:
        for last in [False] * (_TRIES - 1) + [True]:
            try:
                return self.json("POST", "file/chunk", chunk, uploadId=upload, offset=offset)
            except Transient:
                if last:
                    raise
                self._client.budget.pause(1.0)
                there = self.json("GET", "file/offset", uploadId=upload).get("offset", offset)
                if there >= offset + len(chunk):
                    return {"_id": upload}  # it had come over, only the answer was lost
                chunk = chunk[there - offset :] if there > offset else chunk
                offset = max(offset, there)
        raise AssertionError("the last try returns or raises")


def _chunks(source: Source) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in source.pieces():
        waiting += piece
        if len(waiting) >= CHUNK:
            yield bytes(waiting)
            waiting = bytearray()
    if waiting:
        yield bytes(waiting)


def _path(access: UrlAccess) -> str:
    return unquote(urlsplit(access.url).path, "utf-8", "surrogateescape").rstrip("/")
