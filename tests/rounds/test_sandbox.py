"""Results that came home beside the report: each goes whole to the first storage that takes it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.domain.options import SANDBOX, Destination
from engine.errors import BadRequest, CredentialExpired, EngineError, Unavailable
from engine.reconcile import sandbox
from engine.reconcile.context import TickContext
from engine.store.lease import Lease
from tests.rounds.conftest import Rounds
from tests.rounds.storage import RecordedStorage
from wrappers.containers import members
from wrappers.wire import DeliveredOutput

Unpack = Callable[..., dict[str, Destination]]


@pytest.fixture
def storages(tmp_path: Path) -> dict[str, RecordedStorage]:
    """Two storages; what is done to them is told by `effects` of the engine."""
    return {}


@pytest.fixture
def unpack(rounds: Rounds, storages: dict[str, RecordedStorage], tmp_path: Path) -> Unpack:
    """Unpack an archive for two destinations, `first` and `second`."""
    for name in ("first", "second"):
        storages[name] = RecordedStorage(lambda call, url: rounds.effects.append((call, url)))
    workspace = tmp_path / "work"
    workspace.mkdir()

    def find(url: str) -> RecordedStorage:
        return next(storage for name, storage in storages.items() if f"/{name}/" in url)

    context = TickContext(
        rounds.engine.db,
        Lease("me", 1, 0.0),
        rounds.clock,
        rounds.backend,
        find,
        manifest=lambda *_: pytest.fail("not asked for"),
        describe=lambda _: pytest.fail("not asked for"),
        claim=lambda _: "",
        workspace=workspace,
        delivery_timeout=0.0,
        full=lambda *_: "",
    )
    places = [Destination(f"file://{tmp_path}/{name}/run") for name in ("first", "second")]

    def go(files: Mapping[str, bytes], here: list[DeliveredOutput] | None = None) -> dict[str, Destination]:
        archive = tmp_path / "results.tar"
        with tarfile.open(archive, "w") as packed:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
        wanted = here if here is not None else [made(name, data) for name, data in files.items()]
        names = {one.path: f"1/{one.path}" for one in wanted}
        try:
            return sandbox.unpack(context, [Destination(SANDBOX), *places], names, wanted, archive)
        finally:
            assert list(workspace.iterdir()) == [], "what was unpacked is left where the engine works"

    return go


def made(path: str, data: bytes, **more: Any) -> DeliveredOutput:
    """A result, as a report has it."""
    return DeliveredOutput("out", path, SANDBOX + path, len(data), hashlib.sha256(data).hexdigest(), **more)


def where(found: Mapping[str, Destination]) -> dict[str, str]:
    return {path: destination.url.split("/")[-2] for path, destination in found.items()}


def test_each_is_put_under_its_name_at_the_first_destination(unpack: Unpack, tmp_path: Path) -> None:
    assert where(unpack({"a.txt": b"a", "b.txt": b""})) == {"a.txt": "first", "b.txt": "first"}
    assert (tmp_path / "first/run/outputs/1/a.txt").read_bytes() == b"a"
    assert (tmp_path / "first/run/outputs/1/b.txt").read_bytes() == b""
    assert not (tmp_path / "second").exists()


def test_the_tar_of_a_directory_stays_one(unpack: Unpack, tmp_path: Path) -> None:
    found = unpack({"maps.tar": b"tar"}, [made("maps", b"tar", directory=True, packed=True)])
    assert where(found) == {"maps": "first"}
    assert (tmp_path / "first/run/outputs/1/maps.tar").read_bytes() == b"tar"


@pytest.mark.parametrize(
    "error",
    [Unavailable("away"), CredentialExpired("no token"), BadRequest("it is full")],
    ids=lambda error: type(error).__name__,
)
def test_one_that_does_not_take_them_is_left_for_the_next_and_asked_once(
    unpack: Unpack, storages: dict[str, RecordedStorage], rounds: Rounds, error: EngineError
) -> None:
    storages["first"].trouble["send"] = error
    assert where(unpack({"a.txt": b"a", "b.txt": b"b"})) == {"a.txt": "second", "b.txt": "second"}
    assert [url for call, url in rounds.effects if call == "send" and "/first/" in url] == [
        url for call, url in rounds.effects if call == "send"
    ][:1]


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        (BadRequest("full"), Unavailable("away"), Unavailable),
        (CredentialExpired("no token"), BadRequest("full"), CredentialExpired),
        (BadRequest("full"), BadRequest("forbidden"), BadRequest),
    ],
)
def test_where_none_takes_them_they_wait_if_one_may_do_so_later(
    unpack: Unpack,
    storages: dict[str, RecordedStorage],
    first: EngineError,
    second: EngineError,
    raised: type[EngineError],
) -> None:
    """Without it, results that are safe beside the report are given up for good."""
    storages["first"].trouble["send"], storages["second"].trouble["send"] = first, second
    with pytest.raises(EngineError) as caught:
        unpack({"a.txt": b"a"})
    assert type(caught.value) is raised
    assert caught.value in (first, second)
    if raised is BadRequest:
        assert caught.value is first


@pytest.mark.parametrize(
    ("there", "sent"),
    [(b"a", 0), (b"b", 1), (b"longer", 1), (None, 1)],
    ids=["whole", "another", "of another size", "nothing"],
)
def test_what_a_crash_left_there_is_taken_only_if_it_is_the_result(
    unpack: Unpack, rounds: Rounds, tmp_path: Path, there: bytes | None, sent: int
) -> None:
    target = tmp_path / "first/run/outputs/1/a.txt"
    if there is not None:
        target.parent.mkdir(parents=True)
        target.write_bytes(there)
    unpack({"a.txt": b"a"})
    assert len([1 for call, _ in rounds.effects if call == "send"]) == sent
    assert target.read_bytes() == b"a"


def test_what_the_report_promises_and_the_archive_lacks_is_refused(unpack: Unpack) -> None:
    with pytest.raises(BadRequest, match=r"result b\.txt is not beside the report"):
        unpack({"a.txt": b"a"}, [made("b.txt", b"b")])


def test_what_is_not_what_the_report_says_is_refused(unpack: Unpack, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"result a\.txt beside the report is not what the report says"):
        unpack({"a.txt": b"b"}, [made("a.txt", b"a")])
    assert not (tmp_path / "first").exists()


def test_a_directory_in_place_of_a_file_is_refused(unpack: Unpack, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"result a is not beside the report"):
        unpack({"a/": b""}, [made("a/", b"")._replace(path="a")])


@pytest.mark.parametrize("spoiled", [b"no tar", None])
def test_an_archive_that_cannot_be_read_is_refused(
    unpack: Unpack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: bytes | None
) -> None:
    real = members.opened

    def spoil(path: str) -> Any:
        Path(path).unlink()
        if spoiled is not None:
            Path(path).write_bytes(spoiled)
        return real(path)

    monkeypatch.setattr(sandbox, "opened", spoil)
    with pytest.raises(BadRequest, match="results beside the report cannot be read"):
        unpack({"a.txt": b"a"})
