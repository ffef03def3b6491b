"""irods: iRODS, `irods://HOST[:PORT]/ZONE/path`, over python-irodsclient. Experimental.

No server could be had to test it against: its tests run against what the client's documentation promises.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, SettingsError, Unavailable
from engine.extras import remedy_for
from engine.ports import Stat, StorageCapabilities
from engine.storages import files
from engine.storages.credentials import Basic
from engine.storages.failures import ANOTHER_CREDENTIAL
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings
from wrappers.transfer.checksums import CHUNK
from wrappers.transfer.errors import TransferError
from wrappers.transfer.redact import redact
from wrappers.transfer.source import Source

_PORT = 1247
_DENIED = (
    "CAT_INVALID_AUTHENTICATION",
    "CAT_INVALID_USER",
    "CAT_NO_ACCESS_PERMISSION",
    "PAM_AUTH_PASSWORD_FAILED",
)
Connect = Callable[..., Any]


class IrodsStorage(RemoteStorage):
    """`engine.ports.Storage` on iRODS. Writes are a temporary name, a comparison and a rename."""

    _sums = ("sha256",)

    def __init__(self, settings: StorageSettings = UNCONFIGURED, connect: Connect | None = None) -> None:
        """`connect` makes a session: `irods.session.iRODSSession`, by default."""
        self._settings = settings
        self._connect = connect or _library()
        self._sessions: dict[tuple[object, ...], Any] = {}
        self._lock = threading.Lock()
        self.capabilities = StorageCapabilities(checksums=("sha256",), labels=True)

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""
        with self._at(url) as (session, path):
            if session.data_objects.exists(path):
                return _stat(session.data_objects.get(path))
            return Stat(0, 0.0, directory=True) if session.collections.exists(path) else None

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a collection, and what they are."""
        with self._at(url) as (session, path):
            if not session.collections.exists(path):
                return {}
            found = session.collections.get(path)
            below = {item.name: Stat(0, 0.0, directory=True) for item in found.subcollections}
            return below | {item.name: _stat(item) for item in found.data_objects}

    def move(self, source: str, target: str) -> None:
        """Rename; an existing collection would take the source in, so the target is looked at first."""
        with self._at(source) as (session, old):
            _, new = self._address(target)
            if session.data_objects.exists(new) or session.collections.exists(new):
                raise BadRequest(f"{target} exists already")
            self._rename(session, old, new, source)

    def _rename(self, session: Any, old: str, new: str, source: str) -> None:
        session.collections.create(new.rpartition("/")[0], recurse=True)
        if session.data_objects.exists(old):
            session.data_objects.move(old, new)
        elif session.collections.exists(old):
            session.collections.move(old, new)
        else:
            raise NotFound(f"nothing to move at {source}")

    def delete(self, url: str) -> None:
        """Remove an object or a collection with all it holds, past the trash."""
        with self._at(url) as (session, path):
            if session.data_objects.exists(path):
                session.data_objects.unlink(path, force=True)
            elif session.collections.exists(path):
                session.collections.remove(path, recurse=True, force=True)

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Have objects and collections carry these words as AVUs, in the place of others of their names."""
        for url, words in labels.items():
            with self._at(url) as (session, path):
                kind = session.data_objects if session.data_objects.exists(path) else session.collections
                carried = kind.get(path).metadata
                for name, value in words.items():
                    carried.set(name, value)

    def _store(self, source: Source, url: str) -> None:
        with self._at(url) as (session, path):
            above = path.rpartition("/")[0]
            part = f"{above}/{files.part_name()}"
            session.collections.create(above, recurse=True)
            try:
                with session.data_objects.open(part, "w") as file:
                    for block in files.blocks(source.pieces(), CHUNK):
                        file.write(block)
                held = _hexadecimal(session.data_objects.chksum(part))
                if held not in ("", source.sum("sha256")):
                    raise Unavailable(f"{url}: the server holds {held}, not {source.sum('sha256')}")
                with self._lock:  # it does not rename over what is there
                    if session.data_objects.exists(path):
                        session.data_objects.unlink(path, force=True)
                    session.data_objects.move(part, path)
            except BaseException:
                with suppress(Exception):  # what went wrong before is what is told
                    session.data_objects.unlink(part, force=True)
                raise

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of an object."""
        found = self.stat(url)
        if found is None or found.directory:
            return b""
        with self.open(url) as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open an object as a stream."""
        with self._at(url) as (session, path):
            if not session.data_objects.exists(path):
                raise NotFound(f"nothing at {url}")
            with session.data_objects.open(path, "r") as file:
                yield file

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Return the server's sha256 where it computes one, else that of what is read back."""
        with self._at(url) as (session, path):
            if not session.data_objects.exists(path):
                raise NotFound(f"nothing at {url}")
            checksum = _hexadecimal(session.data_objects.chksum(path)) if algorithm == "sha256" else ""
        return checksum or super().checksum(url, algorithm)

    # --- the library ------------------------------------------------------------------------------

    @contextmanager
    def _at(self, url: str) -> Iterator[tuple[Any, str]]:
        """Open a session, and give it with the path there; translate its failures."""
        with self._engine_errors(url):
            yield self._address(url)

    @contextmanager
    def _engine_errors(self, url: str) -> Iterator[None]:
        try:
            yield
        except (EngineError, TransferError):
            raise
        except OSError as error:
            raise Unavailable(f"{redact(url)}: {error.strerror or error}") from error
        except Exception as error:  # the library has hundreds of classes, one for each code of the server
            kind = type(error).__name__
            words = redact(f"{url}: {kind}: {' '.join(str(error).split())[:300]}".rstrip(": "))
            if kind in _DENIED:
                raise CredentialExpired(words, remedy=ANOTHER_CREDENTIAL) from None
            if kind.endswith("DoesNotExist"):
                raise NotFound(words) from None
            raise Unavailable(words) from error

    def _address(self, url: str) -> tuple[Any, str]:
        parts = urlsplit(url)
        path = "/" + unquote(parts.path).strip("/")
        zone = path.split("/")[1]
        if not zone or not parts.hostname:
            raise BadRequest(f"{redact(url)}: irods://HOST/ZONE/path is needed")
        user, password = self._login()
        key = (parts.hostname, parts.port or _PORT, zone, user, password)
        with self._lock:
            if key not in self._sessions:
                session = self._connect(host=key[0], port=key[1], zone=zone, user=user, password=password)
                session.connection_timeout = self._settings.stall
                self._sessions[key] = session
            return self._sessions[key], path

    def _login(self) -> tuple[str, str]:
        credential = self._settings.credential
        found = credential.current() if credential else None
        if credential is None or not isinstance(found, Basic):
            kind = credential.kind if credential else "nothing"
            raise SettingsError(f"{self._settings.url}: iRODS wants a name and a password, not {kind}")
        return found.username, found.password.reveal()


def _library() -> Connect:
    try:
        connect: Connect = import_module("irods.session").iRODSSession
    except ImportError:
        raise BadRequest(
            "irods: the package python-irodsclient is missing", remedy=remedy_for("irods")
        ) from None
    return connect


def _hexadecimal(checksum: str | None) -> str:
    """iRODS writes `sha2:BASE64` for sha256; its md5 has no prefix and is of no use here."""
    kind, _, value = (checksum or "").partition(":")
    if kind != "sha2":
        return ""
    with suppress(binascii.Error):
        return base64.b64decode(value).hex()
    return ""


def _stat(found: Any) -> Stat:
    changed = found.modify_time
    seconds = (
        changed.replace(tzinfo=changed.tzinfo or UTC).timestamp() if isinstance(changed, datetime) else 0.0
    )
    return Stat(int(found.size), seconds)
