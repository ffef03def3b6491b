"""s3: objects in a bucket, `s3://BUCKET/KEY`. There is no rename: what was written stays where it is.

An object appears whole or not at all. Directories are what keys begin with. A worker node never has the keys
of a service: it gets presigned URLs.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from engine.clock import Clock, SystemClock
from engine.errors import BadRequest, CredentialExpired, NotFound, SettingsError, Unavailable
from engine.extras import remedy_for
from engine.ports import Stat, StorageCapabilities
from engine.storages import files, s3_tags
from engine.storages.credentials import S3Keys
from engine.storages.failures import engine_errors
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import HttpClient
from wrappers.transfer.redact import redact
from wrappers.transfer.source import Source
from wrappers.transfer.trust import Trust
from wrappers.wire import Grant

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Store

_PIECE = 5 << 20
"""The least that S3 takes as a part of an object: several of them are in memory at a time."""
_MOST_PIECES = 9_000
"""S3 takes 10,000 parts of one object."""
_METHODS = ("GET", "PUT")
_SIGNED_S = 60.0
"""Seconds for which an address is signed that is only to be known."""


class S3Storage(RemoteStorage):
    """`engine.ports.Storage` over obstore; imported on first use."""

    _sums = ()
    """The service compares what arrives with checksums of the library's own."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._bucket = lru_cache(maxsize=8)(self._open_bucket)
        self.capabilities = StorageCapabilities(
            rename=False,
            checksums=(settings.checksum,) if settings.checksum else (),
            presign=settings.credential is not None,
            labels=True,
        )
        self._client = HttpClient(Budget(float("inf"), settings.stall), Trust(settings.authorities))
        weakref.finalize(self, self._client.close)

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there: an object, or what other keys begin with."""
        import obstore

        with self._object(url) as (bucket, key):
            try:
                found = obstore.head(bucket, key) if key else None
            except FileNotFoundError:
                found = None
            if found is not None:
                return Stat(found["size"], found["last_modified"].timestamp())
            inside = obstore.list_with_delimiter(bucket, key or None)
            if inside["objects"] or inside["common_prefixes"]:
                return Stat(0, 0.0, directory=True)
            return None

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under what is taken for a directory, and what they are."""
        import obstore

        with self._object(url) as (bucket, key):
            found = obstore.list_with_delimiter(bucket, key or None)
        directories = {_name(prefix): Stat(0, 0.0, directory=True) for prefix in found["common_prefixes"]}
        objects = {
            _name(item["path"]): Stat(item["size"], item["last_modified"].timestamp())
            for item in found["objects"]
        }
        return {name: stat for name, stat in {**directories, **objects}.items() if name}

    def _store(self, source: Source, url: str) -> None:
        """In parts, if it is large; the service checks what arrives by its sha256 where it can."""
        import obstore

        with self._object(url) as (bucket, key):
            size = max(_PIECE, source.size // _MOST_PIECES)
            blocks = files.blocks(source.pieces(), size)
            if source.size <= _PIECE:
                obstore.put(bucket, key, b"".join(blocks), use_multipart=False)
            else:
                obstore.put(bucket, key, blocks, chunk_size=size, max_concurrency=self._settings.parallel)
            held = obstore.head(bucket, key)["size"]
            if held != source.size:
                raise Unavailable(f"{url}: the service holds {held} bytes of {source.size}")

    def move(self, source: str, target: str) -> None:
        """Copy inside the service, object by object, and remove: not atomic, and not for results."""
        import obstore

        if self.stat(target) is not None:
            raise BadRequest(f"{target} exists already")
        with self._object(source) as (bucket, old), self._object(target) as (there, new):
            if there is not bucket:
                raise BadRequest(f"{source} cannot be moved to another bucket; copy it")
            keys = self._keys(bucket, old)
            if not keys:
                raise NotFound(f"nothing to move at {source}")
            for key in keys:
                obstore.copy(bucket, key, new + key[len(old) :])
            obstore.delete(bucket, [*keys])

    def delete(self, url: str) -> None:
        """Remove an object, or all whose keys begin with this directory."""
        import obstore

        with self._object(url) as (bucket, key):
            if keys := self._keys(bucket, key):
                obstore.delete(bucket, [*keys])

    def _keys(self, bucket: S3Store, key: str) -> Sequence[str]:
        import obstore

        below = [item["path"] for page in obstore.list(bucket, key or None) for item in page]
        try:
            return [obstore.head(bucket, key)["path"], *below] if key else below
        except FileNotFoundError:
            return below

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of an object."""
        import obstore

        found = self.stat(url)
        end = 0 if found is None else found.size if length is None else min(found.size, offset + length)
        if found is None or found.directory or offset >= end:
            return b""
        with self._object(url) as (bucket, key):
            try:
                return bytes(obstore.get_range(bucket, key, start=offset, end=end))
            except obstore.exceptions.GenericError as error:
                if "non-partial" not in str(error):
                    raise
            with self.open(url) as file:  # rclone's service knows no ranges
                files.skip(file, offset)
                return file.read(end - offset)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open an object as a stream."""
        import obstore

        with self._object(url) as (bucket, key):
            yield files.stream(memoryview(piece) for piece in obstore.get(bucket, key).stream(_PIECE))

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Compute the checksum of what is read back; take md5 from the ETag where the settings say that it is
        one.
        """
        import obstore

        with self._object(url) as (bucket, key):
            tag = (obstore.head(bucket, key)["e_tag"] or "").strip('"')
            if algorithm == self._settings.checksum == "md5" and len(tag) == 32:
                return tag
        return super().checksum(url, algorithm)

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """Make a URL with which anybody may do this for so long."""
        import obstore

        if method not in _METHODS:
            raise BadRequest(f"{url}: {method} is not presigned")
        with self._object(url) as (bucket, key):
            use = obstore.sign(bucket, "GET" if method == "GET" else "PUT", key, timedelta(seconds=seconds))
        return Grant(url, method, use=use, expires=self._clock.now() + seconds)

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Have objects carry these words among their tags; directories are no objects."""
        keys = self._keys_now()
        if keys is None:
            raise BadRequest(f"{self._settings.url}: tags want keys, and this storage is used without any")
        for url, words in labels.items():
            found = self.stat(url)
            if found is None:
                raise NotFound(f"nothing at {redact(url)}")
            if not found.directory:
                address = self.presign(url, "GET", _SIGNED_S).use.partition("?")[0]
                with engine_errors(url):
                    now = self._clock.now()
                    s3_tags.put_tags(self._client, address, words, keys, self._settings.region, now)

    @contextmanager
    def _object(self, url: str) -> Iterator[tuple[S3Store, str]]:
        """Bucket and key of a URL; failures in our words."""
        parts = urlsplit(url)
        if parts.query or not parts.netloc:
            raise BadRequest(f"{redact(url)}: s3://BUCKET/KEY is needed, `?` in a key as %3F")
        with _library_errors(url):
            yield self._bucket(parts.netloc, self._keys_now()), unquote(parts.path).strip("/")

    def _engine_errors(self, url: str) -> AbstractContextManager[None]:
        return _library_errors(url)

    def _keys_now(self) -> tuple[str, str, str] | None:
        credential = self._settings.credential
        if credential is None:
            return None
        found = credential.current()
        if not isinstance(found, S3Keys):
            raise SettingsError(f"credential {credential.name}: S3 wants keys, not {credential.kind}")
        session = found.session_token.reveal() if found.session_token else ""
        return found.access_key_id, found.secret_access_key.reveal(), session

    def _open_bucket(self, bucket: str, keys: tuple[str, str, str] | None) -> S3Store:
        settings = self._settings
        config: S3Config = {
            "bucket": bucket,
            "region": settings.region,
            "checksum_algorithm": "SHA256",
            "skip_signature": keys is None,
        }
        if settings.api:
            config["endpoint"] = settings.api
        if keys is not None:
            config["access_key_id"], config["secret_access_key"] = keys[:2]
            if keys[2]:
                config["session_token"] = keys[2]
        client: ClientConfig = {
            "allow_http": True,
            "timeout": timedelta(days=30),  # of a whole request, which may be a large object
            "read_timeout": timedelta(seconds=settings.stall),
            "connect_timeout": timedelta(seconds=min(30.0, settings.stall)),
        }
        if settings.authorities:
            client["root_certificate"] = Path(settings.authorities).read_bytes()
        retry: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=2 * settings.stall)}
        return _library()(config=config, client_options=client, retry_config=retry)


def _library() -> type[S3Store]:
    try:
        from obstore.store import S3Store
    except ImportError:
        raise BadRequest("s3: the package obstore is missing", remedy=remedy_for("obstore")) from None
    return S3Store


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


@contextmanager
def _library_errors(url: str) -> Iterator[None]:
    """Failures of the library in our words: its own hold pages of inner structures, and signatures."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        if error.filename:  # of this machine
            raise Unavailable(f"{error.filename}: {error.strerror}") from error
        if "NoSuchUpload" in str(error):  # it took too long to put the parts together, and was asked twice
            raise Unavailable(f"{redact(url)}: the service has lost an upload in parts") from None
        raise NotFound(f"nothing at {redact(url)}") from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise CredentialExpired(
            _message(url, error),
            remedy="the storage wants another credential; see `credential` of its settings",
        ) from None
    except exceptions.BaseError as error:
        raise Unavailable(_message(url, error)) from None
    except ValueError as error:
        raise BadRequest(_message(url, error)) from None
    except OSError as error:
        raise Unavailable(f"{redact(url)}: {error.strerror or _message(url, error)}") from error


def _message(url: str, error: Exception) -> str:
    first = str(error).partition("\n\nDebug source")[0]
    return redact(f"{url}: {' '.join(first.split())[:300]}")
