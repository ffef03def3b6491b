"""iRODS, as the documentation of its client describes it; no server could be had, so it proves no more."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import pytest

from engine.errors import CredentialExpired, SettingsError, Unavailable
from engine.ports import Storage
from engine.storages.irods import IrodsStorage
from engine.storages.sections import StorageSettings
from engine.testing.contracts.storage import StorageContract
from tests.storages.remote import credential


class DataObjectDoesNotExist(Exception):
    """As in irods.exception."""


class CAT_INVALID_AUTHENTICATION(Exception):  # noqa: N801 - its name in irods.exception
    """As in irods.exception."""


class Documented:
    """What the README of python-irodsclient 3.3 says of a session, over a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.avus: dict[str, dict[str, str]] = {}
        self.data_objects = self
        self.collections = SimpleNamespace(
            exists=lambda path: self._at(path).is_dir(),
            get=self._collection,
            create=lambda path, recurse=True: self._at(path).mkdir(parents=recurse, exist_ok=True),
            remove=self._remove,
            move=self.move,
        )

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def exists(self, path: str) -> bool:
        return self._at(path).is_file()

    def get(self, path: str) -> SimpleNamespace:
        if not self.exists(path):
            raise DataObjectDoesNotExist
        carried = self._carried(path)
        found = self._at(path).stat()
        changed = datetime.fromtimestamp(found.st_mtime, UTC).replace(tzinfo=None)
        name = self._at(path).name
        return SimpleNamespace(name=name, size=found.st_size, modify_time=changed, metadata=carried)

    def _carried(self, path: str) -> SimpleNamespace:
        words = self.avus.setdefault(path, {})
        return SimpleNamespace(set=words.__setitem__)

    def _collection(self, path: str) -> SimpleNamespace:
        below = sorted(self._at(path).iterdir())
        return SimpleNamespace(
            metadata=self._carried(path),
            subcollections=[SimpleNamespace(name=item.name) for item in below if item.is_dir()],
            data_objects=[self.get(f"{path}/{item.name}") for item in below if item.is_file()],
        )

    def open(self, path: str, mode: str) -> IO[bytes]:
        return self._at(path).open(mode + "b")

    def unlink(self, path: str, force: bool = False) -> None:
        with suppress(FileNotFoundError):
            self._at(path).unlink()

    def _remove(self, path: str, recurse: bool = True, force: bool = False) -> None:
        for item in sorted(self._at(path).rglob("*"), reverse=True):
            item.rmdir() if item.is_dir() else item.unlink()
        self._at(path).rmdir()

    def move(self, source: str, target: str) -> None:
        assert not self._at(target).exists()
        self._at(source).rename(self._at(target))

    def chksum(self, path: str) -> str:
        return "sha2:" + base64.b64encode(hashlib.sha256(self._at(path).read_bytes()).digest()).decode()


class TestAsDocumented(StorageContract):
    @pytest.fixture
    def zone(self, tmp_path_factory: pytest.TempPathFactory) -> Documented:
        return Documented(tmp_path_factory.mktemp("irods") / "zone")

    @pytest.fixture
    def storage(self, zone: Documented, tmp_path_factory: pytest.TempPathFactory) -> Storage:
        return IrodsStorage(settings_in(tmp_path_factory.mktemp("keys")), lambda **_: zone)

    @pytest.fixture(autouse=True)
    def _seen(self, zone: Documented) -> None:
        self._zone = zone

    def labels(self, storage: Storage, url: str) -> Mapping[str, str]:
        return self._zone.avus[unquote(urlsplit(url).path)]

    @pytest.fixture
    def base(self) -> str:
        return "irods://data.example.org/zone/home/alice"


def settings_in(directory: Path) -> StorageSettings:
    """The settings of a storage with a login."""
    held = credential(directory, "basic", json.dumps({"username": "alice", "password": "swordfish"}))
    return StorageSettings(url="irods://data.example.org/zone", credential=held)


def failing(error: Exception) -> Callable[..., Any]:
    """A session on which everything fails."""

    def fail(*_: object) -> None:
        raise error

    return lambda **_: SimpleNamespace(data_objects=SimpleNamespace(exists=fail))


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (CAT_INVALID_AUTHENTICATION(), CredentialExpired),
        (ConnectionRefusedError("refused"), Unavailable),
        (RuntimeError("NetworkException"), Unavailable),
    ],
)
def test_failures_are_told_in_the_engines_words(
    error: Exception, meant: type[Exception], tmp_path: Path
) -> None:
    storage = IrodsStorage(settings_in(tmp_path), failing(error))
    with pytest.raises(meant) as told:
        storage.stat("irods://data.example.org/zone/x")
    assert "swordfish" not in str(told.value)


def test_without_a_login_it_says_what_is_needed() -> None:
    with pytest.raises(SettingsError, match="a name and a password"):
        IrodsStorage(StorageSettings(url="irods://x/z"), lambda **_: None).stat("irods://x/z/a")


def test_the_library_has_what_is_called() -> None:
    session = pytest.importorskip("irods.session").iRODSSession(
        host="127.0.0.1", port=1, zone="z", user="u", password="p"
    )
    for name in ("exists", "get", "open", "unlink", "move", "chksum"):
        assert callable(getattr(session.data_objects, name))
    for name in ("exists", "get", "create", "remove", "move"):
        assert callable(getattr(session.collections, name))
    session.cleanup()
