"""Trees of thousands of levels: refused where they come in, and where they lie all the same, sent whole and
removed whole.
"""

from __future__ import annotations

import http.client
import io
import os
import tarfile
import zipfile
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.app.access.paths import DEEPEST
from tests.cli.desk import Desk, desk_in, until
from tests.portal.house import House, portal
from tests.services.unprivileged import Unprivileged

pytestmark = pytest.mark.whole

LEVELS = 1200
"""More than Python recurses. A shell and a server need ever longer for each."""
DIGGER = {
    "name": "digger",
    "description": "Makes a directory in a directory",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "mkdir deep && cd deep && n=0 && while [ $n -lt [LEVELS] ]; do mkdir d; cd d; "
    "n=$((n+1)); done; echo bottom > found",
    "inputs": [
        {"id": "levels", "name": "levels", "type": "Number", "integer": True, "value-key": "[LEVELS]"}
    ],
    "output-files": [{"id": "deep", "name": "deep", "path-template": "deep"}],
}


def dig(where: Path, levels: int = LEVELS, name: str = "deep") -> None:
    """Make directories in each other, with a file in the last one: no path is long enough to name it."""
    where.mkdir(parents=True, exist_ok=True)
    at = os.open(where, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, 0o700, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("found", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=at))
    os.close(at)


def of(path: str) -> str:
    return f"/path/vip/Home/{path}"


@pytest.mark.parametrize("body", [b"content", None])
def test_a_path_has_at_most_so_many_levels(house: House, body: bytes | None) -> None:
    deepest = "/".join([f"levels-{body is None}", *["d"] * (DEEPEST - 3)])
    house.ok("PUT", of(deepest.rpartition("/")[0] + "/"))
    assert house.ask("PUT", of(deepest), body).status == 201
    answer = house.ask("PUT", of(f"{deepest}/d"), body)
    assert (answer.status, answer.code) == (400, 8000)
    assert f"at most {DEEPEST} levels" in answer.json["errorMessage"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_has_at_most_so_many_levels(house: House, kind: str) -> None:
    name, packed = "d/" * (DEEPEST - 3) + "f", io.BytesIO()  # in a directory of Home
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, "x")
    else:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(name))
    document = {"base64Content": b64encode(packed.getvalue()).decode(), "type": "Archive"}
    answer = house.ask("PUT", of(f"of-{kind}"), document, Content_Type="application/carmin+json")
    assert (answer.status, answer.code) == (400, 8000)
    assert f"at most {DEEPEST} levels" in answer.json["errorMessage"]


def test_a_tree_that_lies_there_is_sent_whole_and_removed_whole(house: House) -> None:
    dig(house.storage / "users" / house.ids["ann"] / "home" / "mine")
    sent = house.read("/vip/Home/mine")
    with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
        assert sum(1 for _ in tar) == LEVELS + 1
    assert house.ask("DELETE", of("mine")).status == 204
    assert house.ask("DELETE", "/path/vip/Trash/mine").status == 204
    assert not house.exists("/vip/Trash/mine")
    house.put("/vip/Home/afterwards", b"x")  # what lies there is still counted


def test_a_name_that_ends_the_tar_early_breaks_the_connection(house: House) -> None:
    home = house.storage / "users" / house.ids["ann"] / "home" / "shrinking"
    home.mkdir(parents=True)
    with (home / "large").open("wb") as file:
        file.truncate(64 << 20)
    connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=60)
    key = {"apikey": house.keys["ann"]}
    connection.request("GET", "/rest/path/vip/Home/shrinking?action=content", headers=key)
    answer = connection.getresponse()
    answer.read(1 << 16)
    (home / "large").write_bytes(b"")  # shorter than its header said
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    connection.close()


def test_results_of_too_many_levels_fail_their_job_and_nothing_is_left(house: House) -> None:
    house.ok("POST", "/admin/pipelines", {"descriptor": DIGGER}, user="root")
    told = house.run("digger/1.0", {"levels": str(LEVELS)})
    assert told["status"] == "ExecutionFailed"
    [job] = told["jobs"].values()
    assert "more than 64 levels" in job["exitMessage"]
    assert house.ask("DELETE", f"/executions/{told['identifier']}?deleteFiles=true").status == 204
    assert house.run("digger/1.0", {"levels": "20"})["status"] == "Finished"


def test_an_execution_with_deep_results_of_an_older_engine_can_be_removed(house: House) -> None:
    told = house.run("failer/1.0", {"code": "0"})
    [directory] = (house.storage / "users" / house.ids["ann"]).rglob(told["identifier"])
    dig(directory / "outputs" / "deep")
    assert house.ask("DELETE", f"/executions/{told['identifier']}?deleteFiles=true").status == 204
    assert house.ask("DELETE", f"/path/vip/Trash/{told['identifier']}").status == 204


def test_a_start_removes_what_was_half_removed(desk: Desk) -> None:
    parts = desk.home / ".local/share/boutiques-engine/storage/.parts"
    dig(parts / "gone")
    with portal(desk):
        until(lambda: not any(parts.iterdir()))


def test_a_user_without_rights_leaves_nothing_of_it_behind(unprivileged: Unprivileged) -> None:
    with desk_in(unprivileged.directory, become=unprivileged.command) as desk:
        unprivileged.give(desk.directory, desk.home)
        words = (desk.write("digger.json", DIGGER), desk.write("i.json", {"levels": LEVELS}))
        ran = desk.run("submit", *words, "--runtime", "none")
        assert ran.code == 1, ran
        assert "levels of directories" in ran.err
        assert not list(desk.home.rglob("deep"))
