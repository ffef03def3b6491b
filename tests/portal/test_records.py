"""Logs and provenance lie among a user's files, and are the platform's all the same."""

from __future__ import annotations

import pytest

from tests.portal.data_contract import ENVELOPE, envelope, zipped
from tests.portal.house import House

pytestmark = pytest.mark.whole

RAW = "application/octet-stream"


@pytest.fixture(scope="module")
def place(house: House) -> str:
    """The directory of an execution that has ended, in ann's home."""
    house.put("/vip/Home/in.txt", b"x\n")
    values = {"file": "/vip/Home/in.txt", "word": "w"}
    id_ = house.run("copier/1.0", values, resultsLocation="/vip/Home/kept")["identifier"]
    assert house.exists(f"/vip/Home/kept/{id_}/logs/1.1.out")
    return f"/vip/Home/kept/{id_}"


def test_logs_and_records_are_read_and_never_written(house: House, place: str) -> None:
    assert house.read(f"{place}/logs/1.1.out") == b"printed\n"
    record = house.read(f"{place}/provenance/1.1.json")
    for name in (
        "logs/1.1.out",
        "provenance/1.1.json",
        "logs",
        "provenance",
        "logs/new",
        "new",
        "outputsx/y",
    ):
        path = f"/path{place}/{name}"
        for answer in (
            house.ask("PUT", path, b"forged", Content_Type=RAW),
            house.ask("PUT", path, envelope(b"forged", "File"), Content_Type=ENVELOPE),
            house.ask("PUT", f"{path}/"),
            house.ask("DELETE", path),
        ):
            assert (answer.status, answer.code) == (400, 8013), (name, answer)
    answer = house.ask(
        "PUT", f"/path{place}", envelope(zipped({"logs/1.1.out": b"x"})), Content_Type=ENVELOPE
    )
    assert answer.code == 8013
    assert house.read(f"{place}/logs/1.1.out") == b"printed\n"
    assert house.read(f"{place}/provenance/1.1.json") == record


def test_no_other_execution_writes_there_either(house: House, place: str) -> None:
    values = {"file": "/vip/Home/in.txt"}
    for below in ("logs", "provenance/1.1.json", "x/y"):
        assert house.launch("copier/1.0", values, resultsLocation=f"{place}/{below}").code == 8013
    assert not house.exists(f"{place}/x")
    within = house.run("copier/1.0", values, resultsLocation=f"{place}/outputs/deeper")
    assert within["status"] == "Finished"


def test_results_and_whole_directories_are_the_users_own(house: House, place: str) -> None:
    house.put(f"{place}/outputs/note.txt", b"mine")
    house.ok("DELETE", f"/path{place}/outputs/note.txt")
    odd = "/vip/Home/kept/ABCDEFGHJKMNPQRSTVWXYZ0123/logs/x"  # looks like one, and is none
    house.put(odd, b"mine")
    house.ok("DELETE", f"/path{odd}")
    house.ok("DELETE", "/path/vip/Home/kept")
    answer = house.ask("PUT", f"/path{place}/logs/1.1.out", b"forged", Content_Type=RAW)
    assert answer.code == 8013
