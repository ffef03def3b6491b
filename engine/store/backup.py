"""Copies of the whole database: made while engines work, and put back while none does."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL

from engine.errors import BadRequest, Unavailable
from engine.store.database import Database

_SQLITE = b"SQLite format 3\0"
_PAGES = 5000
"""Pages of SQLite that are copied at a time: others write in between."""


def make(db: Database, file: Path) -> int:
    """Write a consistent copy into a file that is not there yet; returns its size.

    Raises:
        BadRequest: the file is there, or cannot be written.
        Unavailable: the program that PostgreSQL needs for it is missing, or fails.
    """
    if file.exists():
        raise BadRequest(f"{file} exists already", remedy="name another file, or remove it")
    part = file.with_name(f".{file.name}.part")
    try:
        with open(part, "xb", opener=_private):
            pass
        if db.sqlite:
            with closing(sqlite3.connect(db.url.database or "", timeout=60)) as source:
                _copy(source, part)
        else:
            _run(db.url, ["pg_dump", "--format=custom", "--file", str(part)])
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.link(part, file)  # never over another that came meanwhile
    except OSError as error:
        raise BadRequest(f"{file} cannot be written: {error.strerror}") from None
    except sqlite3.Error as error:
        raise Unavailable(
            f"the database cannot be copied: {error}", remedy="see that the disk has room"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def put_back(db: Database, file: Path) -> None:
    """Replace all that is in the database by a copy.

    Raises:
        BadRequest: the file is no copy of such a database, or is damaged; nothing was changed.
        Unavailable: the program that PostgreSQL needs for it is missing, or fails.
    """
    if not db.sqlite:
        db.close()  # its own connections would be waited for
        once = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
        _run(db.url, ["pg_restore", *once, "--dbname", _name(db.url)], str(file))
        return
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
        db.close()
        with closing(sqlite3.connect(db.url.database or "", timeout=60)) as target:
            target.execute("PRAGMA synchronous = FULL")
            source.backup(target)  # one transaction: whoever reads sees the one or the other
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def examine(file: Path, *, sqlite: bool) -> None:
    """See that a file is a whole copy of a database of an engine.

    Raises:
        BadRequest: it is not.
        Unavailable: the program that PostgreSQL needs for it is missing.
    """
    try:
        with file.open("rb") as opened:
            start = opened.read(16)
    except OSError as error:
        raise BadRequest(f"{file} cannot be read: {error.strerror}") from None
    if not sqlite:
        if not start.startswith(b"PGDMP"):
            raise BadRequest(f"{file} is no copy that `engine db backup` has made of a PostgreSQL database")
        _run(None, ["pg_restore", "--list"], str(file))
        return
    if start != _SQLITE:
        raise BadRequest(f"{file} is no SQLite database")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as found:
            (word,) = found.execute("PRAGMA integrity_check(1)").fetchone()
            ours = found.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise BadRequest(f"{file} is no database of an engine: {error}") from None
    if word != "ok" or ours is None:
        raise BadRequest(f"{file} is damaged: {word}", remedy="take another copy")


def _copy(source: sqlite3.Connection, part: Path) -> None:
    with closing(sqlite3.connect(part)) as target:
        source.backup(target, pages=_PAGES, sleep=0.0)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself


def _name(url: URL) -> str:
    """Render a URL for PostgreSQL's programs; without the password, which everybody would see."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(url: URL | None, words: Sequence[str], *more: str) -> None:
    if shutil.which(words[0]) is None:
        raise Unavailable(
            f"{words[0]} is not on PATH: copies of a PostgreSQL database are made with it",
            remedy="install PostgreSQL's client programs, of the version of the server or a newer one",
        )
    at = ["--dbname", _name(url)] if url is not None and words[0] == "pg_dump" else []
    secret = {"PGPASSWORD": str(url.password)} if url is not None and url.password else {}
    ran = subprocess.run(
        [*words, *at, *more],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, **secret},
    )
    if ran.returncode:
        last = ran.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise Unavailable(f"{words[0]} fails: {last[0]}", remedy="see the server's log; nothing was changed")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
