"""A daemon, used from Python: `Client(url, key)`. The work is the daemon's: whoever loses the connection
makes a new client later, and finds everything again by its id.

    client = Client("https://platform.example.org", key)
    client.upload(Path("brain.nii"), "/vip/Home/study/brain.nii")
    id_ = client.submit("bet/1.0", {"infile": "/vip/Home/study/brain.nii"})
    client.wait(id_)
    client.download_results(id_, Path("results"))

Requests are repeated for `patience` seconds, with growing pauses; a submit carries a key of its own, so that
it is done once however often it is sent.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from engine.clock import Clock, SystemClock
from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from engine.ids import new_id

_PIECE = 1 << 20
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_TIMEOUT = 120.0
_NO_EXECUTION = 8015
RUNNING = "Running"


class Client:
    """Speaks CARMIN to a daemon. Threads have a client each."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience: float = 60.0,
        authorities: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`key`: an API key. `patience`: seconds for which a daemon that does not answer is asked again.
        `authorities`: file of certificate authorities; None: the system's.

        Raises:
            BadRequest: the URL is none, or everybody on the way could read the key.
        """
        parts = urlsplit(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest(f"{url}: not the URL of a daemon", remedy="e.g. https://platform.example.org")
        if parts.scheme == "http" and not local:
            raise BadRequest(f"{url}: the key would be readable on the way", remedy="use https")
        self._parts = parts
        self._key = key
        self._patience = patience
        self._authorities = authorities
        self._clock = clock or SystemClock()
        self._connection: http.client.HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"Client({self._parts.geturl()!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- executions -------------------------------------------------------------------------------

    def submit(
        self,
        pipeline: str | Mapping[str, Any],
        values: Mapping[str, Any],
        *,
        name: str = "execution",
        results: str = "/vip/Home",
        key: str | None = None,
    ) -> str:
        """Start an execution of a pipeline (`name/version` or a DOI) or of a descriptor; gives its id.

        A list given to an input that is no list is a job for each element. `key`: submitting twice with one
        key is submitting once.

        Raises:
            BadRequest: something is wrong with it.
            Unavailable, CredentialExpired: see the class.
        """
        what = (
            {"pipelineIdentifier": pipeline} if isinstance(pipeline, str) else {"descriptor": dict(pipeline)}
        )
        wanted = {
            "name": name,
            **what,
            "inputValues": dict(values),
            "resultsLocation": results,
            "submissionKey": key or new_id(),
        }
        return str(self._json("POST", "executions", wanted)["identifier"])

    def pipelines(self) -> list[Mapping[str, Any]]:
        """The pipelines that may be used."""
        return list(self._json("GET", "pipelines"))

    def pipeline(self, identifier: str) -> Mapping[str, Any]:
        """One pipeline, with its parameters."""
        return dict(self._json("GET", f"pipelines/{quote(identifier)}"))

    def executions(self, *, limit: int = 50, offset: int = 0) -> list[Mapping[str, Any]]:
        """Executions, newest first."""
        return list(self._json("GET", f"executions?{urlencode({'limit': limit, 'offset': offset})}"))

    def status(self, id_: str) -> Mapping[str, Any]:
        """An execution, as CARMIN tells it: `status` is Running, Finished, ExecutionFailed or Killed.

        Raises:
            NotFound: there is none.
        """
        return dict(self._json("GET", f"executions/{quote(id_, safe='')}"))

    def wait(
        self, id_: str, *, poll: float = 2.0, watch: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Mapping[str, Any]:
        """Return when an execution is over. May be interrupted, and called again by anybody."""
        while True:
            told = self.status(id_)
            if watch is not None:
                watch(told)
            if told["status"] != RUNNING:
                return told
            self._clock.sleep(poll)

    def stop(self, id_: str) -> None:
        """Ask for the end of an execution; it can be restarted."""
        self._json("PUT", f"executions/{quote(id_, safe='')}/kill")

    def restart(self, id_: str) -> Mapping[str, Any]:
        """Run again what failed or was stopped; what succeeded is never run again."""
        return dict(self._json("PUT", f"executions/{quote(id_, safe='')}/restart"))

    def kill(self, id_: str) -> None:
        """End an execution, wait for that, and forget it with its files (they go to the trash)."""
        self.stop(id_)
        self.wait(id_)
        self._json("PUT", f"executions/{quote(id_, safe='')}/delete", {"deleteFiles": True})

    def results(self, id_: str) -> list[Mapping[str, Any]]:
        """The results of an execution: `path`, `size`, `isDirectory`, `exists`."""
        return list(self._json("GET", f"executions/{quote(id_, safe='')}/results"))

    def log(self, id_: str, job: int = 0, stream: str = "stdout") -> bytes:
        """What a job printed (`stdout` or `stderr`); jobs are counted from 0."""
        return self._bytes("GET", f"executions/{quote(id_, safe='')}/jobs/{job}/{stream}")

    def download_results(self, id_: str, into: Path) -> list[Path]:
        """Bring all results into a directory; gives their paths."""
        found = []
        for one in self.results(id_):
            below = str(one["path"]).split(f"/{id_}/outputs/")[-1]
            target = into.joinpath(*_harmless(below))
            self.download(str(one["path"]), target)
            found.append(target)
        return found

    # --- files ------------------------------------------------------------------------------------

    def exists(self, path: str) -> bool:
        """Whether something lies at a path of the virtual tree."""
        return bool(self._json("GET", f"{_path(path)}?action=exists")["exists"])

    def list(self, path: str) -> Sequence[Mapping[str, Any]]:
        """What lies in a directory of the virtual tree."""
        return list(self._json("GET", f"{_path(path)}?action=list"))

    def delete(self, path: str) -> None:
        """Put a file or directory into the trash."""
        self._json("DELETE", _path(path))

    def upload(self, source: Path, path: str) -> None:
        """Bring a file, or a directory with all it holds, to a path of the virtual tree; verified.

        Raises:
            BadRequest: what came there is something else.
        """
        if source.is_dir():
            self._json("PUT", f"{_path(path)}/")
            for each in sorted(source.iterdir()):
                self.upload(each, f"{path.rstrip('/')}/{each.name}")
            return
        summed = hashlib.md5(usedforsecurity=False)

        def body() -> Iterator[bytes]:
            nonlocal summed
            summed = hashlib.md5(usedforsecurity=False)
            with source.open("rb") as file:
                while piece := file.read(_PIECE):
                    summed.update(piece)
                    yield piece

        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(source.stat().st_size),
        }
        self._repeated("PUT", _path(path), body, headers)
        if self._json("GET", f"{_path(path)}?action=md5")["md5"] != summed.hexdigest():
            raise BadRequest(f"{path}: what arrived is not what was sent", remedy="upload it again")

    def download(self, path: str, target: Path) -> None:
        """Bring a file of the virtual tree here, verified or not at all, going on where it broke off.

        Raises:
            BadRequest: it is a directory, or changed meanwhile.
        """
        wanted = self._json("GET", f"{_path(path)}?action=md5")["md5"]
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{new_id()}")
        try:
            with part.open("w+b") as file:
                self._repeated("GET", f"{_path(path)}?action=content", None, {}, into=file)
                file.seek(0)
                if hashlib.file_digest(file, "md5").hexdigest() != wanted:
                    raise BadRequest(f"{path}: it changed while it was fetched", remedy="fetch it again")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    # --- requests ---------------------------------------------------------------------------------

    def _json(self, method: str, path: str, document: Any = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} if body else {"Content-Length": "0"}
        answer = self._repeated(method, path, (lambda: iter([body])) if body else None, headers, size=body)
        return json.loads(answer) if answer else None

    def _bytes(self, method: str, path: str) -> bytes:
        return self._repeated(method, path, None, {})

    def _repeated(
        self,
        method: str,
        path: str,
        body: Callable[[], Iterator[bytes]] | None,
        headers: Mapping[str, str],
        *,
        size: bytes | None = None,
        into: IO[bytes] | None = None,
    ) -> bytes:
        """One request, as often as it takes."""
        sent = {**headers, "apikey": self._key}
        if size is not None:
            sent["Content-Length"] = str(len(size))
        until = self._clock.now() + self._patience
        pauses = iter(_PAUSES)
        while True:
            try:
                return self._once(method, path, body, sent, into)
            except (OSError, http.client.HTTPException, Unavailable) as error:
                self.close()
                if self._clock.now() >= until:
                    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
                    raise Unavailable(
                        f"{self._parts.netloc} does not answer: {words}",
                        remedy="the work goes on there; ask again later",
                    ) from None
                self._clock.sleep(next(pauses, _PAUSES[-1]))

    def _once(
        self,
        method: str,
        path: str,
        body: Callable[[], Iterator[bytes]] | None,
        headers: Mapping[str, str],
        into: IO[bytes] | None,
    ) -> bytes:
        connection = self._connected()
        at = into.tell() if into else 0
        sent = {**headers, "Range": f"bytes={at}-"} if at else dict(headers)
        connection.request(
            method, f"{self._parts.path.rstrip('/')}/rest/{path}", body() if body else None, sent
        )
        answer = connection.getresponse()
        if answer.status >= 400 and not (answer.status == 416 and at):
            raise _failure(answer.status, answer.read())
        if into is None:
            return answer.read()
        if at and answer.status == 200:
            into.seek(0)
            into.truncate()
        while answer.status != 416 and (piece := answer.read(_PIECE)):
            into.write(piece)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        answer.read()
        return b""

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            self._connection = (
                http.client.HTTPSConnection(
                    host, port, timeout=_TIMEOUT, context=ssl.create_default_context(cafile=self._authorities)
                )
                if self._parts.scheme == "https"
                else http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
            )
        return self._connection


def _failure(status: int, body: bytes) -> BadRequest | Unavailable | CredentialExpired:
    """What an answer of the daemon means here."""
    try:
        fields = json.loads(body)
        code, words = int(fields["errorCode"]), str(fields["errorMessage"])
    except (ValueError, KeyError, TypeError):
        code, words = 0, f"the daemon answers with status {status}"
    if status == 401:
        return CredentialExpired(
            words, remedy="is it the right key? ENGINE_KEY or the file of the key says which"
        )
    if status >= 500 or status in (408, 429):
        return Unavailable(words)
    return NotFound(words) if code == _NO_EXECUTION or status == 404 else BadRequest(words)


def _path(path: str) -> str:
    return f"path/{quote(path.strip('/'))}"


def _harmless(below: str) -> list[str]:
    """The parts of a name that a daemon tells: it may not lead out of the directory that was asked for."""
    parts = [part for part in below.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in below:
        raise BadRequest(f"{below!r}: the daemon tells a name that leads elsewhere")
    return parts
