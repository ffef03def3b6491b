"""A storage in one table of an SQLite database."""

import hashlib
import io
import sqlite3
import time
import zlib
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

from engine.errors import BadRequest, NotFound, Unavailable
from engine.ports import Stat, StorageCapabilities

TABLE = "CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, data BLOB, modified REAL)"
BELOW = "substr(key, 1, length(?1) + 1) = ?1 || '/'"
"""Keys in a directory; not LIKE, for which % and _ are special."""


class TableStorage:
    """Keys have no slash at their end; a directory is there while a key lies below it."""

    capabilities = StorageCapabilities(rename=True)

    def __init__(self, settings=None):
        """`settings` has the section of the storage: `engine.storages.sections.StorageSettings`."""

    def child(self, url, name):
        return f"{url.rstrip('/')}/{quote(name, safe='')}"

    def name_of(self, url):
        return unquote(urlsplit(url).query.rstrip("/").rpartition("/")[2])

    def stat(self, url):
        with _open(url) as (table, key):
            found = table.execute("SELECT length(data), modified FROM object WHERE key = ?", [key]).fetchone()
            if found:
                return Stat(*found)
            inside = f"SELECT sum(length(data)), max(modified) FROM object WHERE {BELOW}"
            size, modified = table.execute(inside, [key]).fetchone()
        return None if modified is None else Stat(size, modified, directory=True)

    def list(self, url):
        with _open(url) as (table, key):
            found = table.execute(f"SELECT key FROM object WHERE {BELOW}", [key])
            return sorted({name[len(key) + 1 :].partition("/")[0] for (name,) in found})

    def move(self, source, target):
        with _open(source) as (table, old), _writing(table):
            new = _split(target)[1]
            if self._keys(table, new):
                raise BadRequest(f"{target} exists already")
            keys = self._keys(table, old)
            if not keys:
                raise NotFound(f"nothing to move at {source}")
            pairs = [(new + key[len(old) :], key) for key in keys]
            table.executemany("UPDATE object SET key = ? WHERE key = ?", pairs)

    def _keys(self, table, key):
        found = table.execute(f"SELECT key FROM object WHERE key = ?1 OR {BELOW}", [key])
        return [name for (name,) in found]

    def delete(self, url):
        with _open(url) as (table, key), _writing(table):
            table.execute(f"DELETE FROM object WHERE key = ?1 OR {BELOW}", [key])

    def put(self, data, url):
        with _open(url) as (table, key), _writing(table):
            table.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", [key, data, time.time()])

    def send(self, source, url, progress=None, *, keep=False):
        try:
            data = source.read_bytes()
        except OSError as error:
            raise Unavailable(f"{source}: {error.strerror}") from error
        self.put(data, url)
        if progress:
            progress(len(data))
        if not keep:
            source.unlink()

    def read(self, url, offset=0, length=None):
        with _open(url) as (table, key):
            found = table.execute("SELECT data FROM object WHERE key = ?", [key]).fetchone()
        end = None if length is None else offset + length
        return found[0][offset:end] if found else b""

    def get(self, url, into, progress=None):
        with _open(url) as (table, key):
            query = f"SELECT key, data FROM object WHERE key = ?1 OR {BELOW}"
            found = table.execute(query, [key]).fetchall()
        if not found:
            raise NotFound(f"nothing at {url}")
        for name, data in found:
            target = into.joinpath(name[len(key) :].lstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name[:200]}.part")
            part.write_bytes(data)
            part.replace(target)
            if progress:
                progress(len(data))

    @contextmanager
    def open(self, url):
        yield io.BytesIO(self._whole(url))

    def checksum(self, url, algorithm="sha256"):
        data = self._whole(url)
        return (
            f"{zlib.adler32(data):08x}"
            if algorithm == "adler32"
            else hashlib.new(algorithm, data).hexdigest()
        )

    def _whole(self, url):
        if self.stat(url) is None:
            raise NotFound(f"nothing at {url}")
        return self.read(url)

    def presign(self, url, method, seconds):
        raise BadRequest(f"{url}: there is no such thing here")


def _split(url):
    """The database and the key that a URL names."""
    parts = urlsplit(url)
    return unquote(parts.path), unquote(parts.query).strip("/")


@contextmanager
def _open(url):
    database, key = _split(url)
    try:
        table = sqlite3.connect(database, isolation_level=None)
        try:
            table.execute(TABLE)
            yield table, key
        finally:
            table.close()
    except sqlite3.Error as error:
        raise Unavailable(f"{database}: {error}") from error


@contextmanager
def _writing(table):
    """One transaction, alone: two moves to one name cannot both find it free."""
    table.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        table.execute("ROLLBACK")
        raise
    table.execute("COMMIT")
