"""Every way a request can go wrong, as the engine's own storage over HTTP tells it: never a wrong or partial
file under its name, here or there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, Unavailable
from engine.storages.http import HttpStorage
from engine.storages.sections import StorageSettings
from tests.services.faulty_storage import (
    DROP,
    FLIP,
    Fault,
    FaultyStorage,
    black_hole,
    cut,
    faulty_storage,
    reset,
    stall,
    status,
)
from tests.storages.remote import PATIENT

pytestmark = pytest.mark.whole

DATA = random.Random(9).randbytes(3_000_000)
SMALL = DATA[:1000]


@pytest.fixture
def faulty() -> Iterator[FaultyStorage]:
    with faulty_storage() as running:
        running.files["/data"] = DATA
        yield running


@pytest.fixture
def storage(faulty: FaultyStorage, request: pytest.FixtureRequest) -> HttpStorage:
    """Impatient only where a server stalls on purpose."""
    fault = request.node.callspec.params.get("fault") if hasattr(request.node, "callspec") else None
    return HttpStorage(
        StorageSettings(url=faulty.url, stall=2.0 if fault and fault.kind == "stall" else PATIENT)
    )


def name_of(fault: Fault) -> str:
    return f"{fault.kind}{fault.status or ''}"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(401), CredentialExpired),
        (status(403), CredentialExpired),
        (status(404), NotFound),
        (status(410), NotFound),
        (status(400), BadRequest),
        (status(503), Unavailable),
        (status(500), Unavailable),
        (DROP, Unavailable),
        (cut(1000), Unavailable),
        (reset(1000), Unavailable),
        (stall(1000), Unavailable),
        (FLIP, Unavailable),
    ],
    ids=lambda one: name_of(one) if isinstance(one, Fault) else "",
)
def test_a_download_that_goes_wrong_for_good_is_told_and_leaves_nothing(
    faulty: FaultyStorage, storage: HttpStorage, tmp_path: Path, fault: Fault, error: type[EngineError]
) -> None:
    faulty.always["GET"] = fault
    with pytest.raises(error):
        storage.get(f"{faulty.url}/data", tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [cut(2_000_000), reset(2_000_000), stall(2_000_000), DROP], ids=name_of)
def test_a_download_that_goes_wrong_once_goes_on(
    faulty: FaultyStorage, storage: HttpStorage, tmp_path: Path, fault: Fault
) -> None:
    faulty.faults["GET"] = [fault]
    storage.get(f"{faulty.url}/data", tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == DATA


def test_a_download_without_a_length_that_is_cut_is_refused_by_its_size(
    faulty: FaultyStorage, storage: HttpStorage, tmp_path: Path
) -> None:
    faulty.lengths = False
    faulty.digest = ""
    faulty.faults["GET"] = [cut(len(DATA)), cut(1000)]  # the first is asked for its first byte
    with pytest.raises(Unavailable, match="1000"):
        storage.get(f"{faulty.url}/data", tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(401), CredentialExpired),
        (status(403), CredentialExpired),
        (status(400), BadRequest),
        (status(503), Unavailable),
        (status(507), Unavailable),
        (DROP, Unavailable),
        (cut(100), Unavailable),
        (reset(100), Unavailable),
        (stall(100), Unavailable),
        (FLIP, Unavailable),
    ],
    ids=lambda one: name_of(one) if isinstance(one, Fault) else "",
)
@pytest.mark.parametrize("digest", ["adler32", ""], ids=["told", "untold"])
@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "large"])
def test_an_upload_that_goes_wrong_for_good_is_told_and_changes_nothing(
    faulty: FaultyStorage,
    storage: HttpStorage,
    tmp_path: Path,
    fault: Fault,
    error: type[EngineError],
    digest: str,
    data: bytes,
) -> None:
    faulty.digest = digest
    faulty.always["PUT"] = fault
    (tmp_path / "new").write_bytes(data)
    with pytest.raises(error):
        storage.send(tmp_path / "new", f"{faulty.url}/data")
    assert faulty.files == {"/data": DATA}
    assert (tmp_path / "new").exists()


@pytest.mark.parametrize("fault", [cut(100), reset(100), DROP], ids=name_of)
@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "large"])
def test_an_upload_that_is_lost_once_is_made_again(
    faulty: FaultyStorage, storage: HttpStorage, tmp_path: Path, fault: Fault, data: bytes
) -> None:
    faulty.faults["PUT"] = [fault]
    (tmp_path / "new").write_bytes(data)
    storage.send(tmp_path / "new", f"{faulty.url}/new")
    assert faulty.files == {"/data": DATA, "/new": data}


@pytest.mark.parametrize("fault", [status(503), DROP, cut(0)], ids=name_of)
def test_a_last_step_that_is_not_confirmed_is_told_and_may_be_made_again(
    faulty: FaultyStorage, storage: HttpStorage, fault: Fault
) -> None:
    faulty.faults["MOVE"] = [fault]
    with pytest.raises(Unavailable):
        storage.put(SMALL, f"{faulty.url}/new")
    storage.put(SMALL, f"{faulty.url}/new")
    assert faulty.files == {"/data": DATA, "/new": SMALL}


def test_a_black_hole_is_left_within_the_patience(tmp_path: Path) -> None:
    with black_hole() as url:
        storage = HttpStorage(StorageSettings(url=url, stall=0.2))
        with pytest.raises(Unavailable, match="nothing happened"):
            storage.get(f"{url}/data", tmp_path / "data")
        with pytest.raises(Unavailable, match="nothing happened"):
            storage.put(SMALL, f"{url}/data")
    assert list(tmp_path.iterdir()) == []
