"""Names of files: long ones, odd ones, links; what may be done with a path."""

from __future__ import annotations

import io
import tarfile
from typing import Any
from urllib.parse import quote

import pytest

from tests.portal.house import House

pytestmark = pytest.mark.whole

INPUTS = [{"id": "x", "name": "x", "type": "String", "optional": True, "value-key": "[X]"}]
MAKER = {
    "name": "maker",
    "description": "Makes files with odd names, and links",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "mkdir out && cd out && echo odd > \"$(printf 'a\\377%%b')\" "
    "&& echo two > \"$(printf 'c\\nd')\" && mkdir \"$(printf 'dir\\376')\" "
    "&& echo in > \"$(printf 'dir\\376/in')\" && echo plain > plain # [X]",
    "output-files": [{"id": "out", "name": "out", "path-template": "out"}],
}
LINKER = {
    "name": "linker",
    "description": "Makes links",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "mkdir out out/below && cd out && echo plain > plain && echo x > below/x "
    "&& ln -s plain inside && ln -s below directory && ln -s /etc/passwd outside && ln -s nothing dangling "
    "&& mkfifo pipe # [X]",
    "output-files": [{"id": "out", "name": "out", "path-template": "out"}],
}


def listed(house: House, path: str) -> list[str]:
    """The paths of what lies in a directory, as clients are told them."""
    return [one["path"] for one in house.ok("GET", f"/path{quote(path)}?action=list").json]


@pytest.fixture(scope="module")
def results(house: House) -> dict[str, Any]:
    """Executions by pipeline."""
    found = {}
    for descriptor in (MAKER, LINKER):
        house.ok("POST", "/admin/pipelines", {"descriptor": {**descriptor, "inputs": INPUTS}}, user="root")
        found[str(descriptor["name"])] = house.run(f"{descriptor['name']}/1.0", {})
    return found


@pytest.mark.parametrize("name", ["n" * 240, "é" * 120, "n" * 255, "€" * 85])
def test_a_long_name_can_be_thrown_away_again_and_again(house: House, name: str) -> None:
    for _ in range(3):
        house.put(f"/vip/Home/{quote(name)}", b"x")
        assert house.ask("DELETE", f"/path/vip/Home/{quote(name)}").status == 204
    thrown = [one for one in listed(house, "/vip/Trash") if name[:60] in one]
    assert len(thrown) == 3
    for path in thrown:
        assert house.ask("DELETE", f"/path{quote(path)}").status == 204
    assert not [one for one in listed(house, "/vip/Trash") if name[:60] in one]


@pytest.mark.parametrize("name", ["a\nb", "\n", "a\tb", "b\r", "\x01", "\x7f", " ", "%ff", "a;b?c#d", "\\"])
def test_an_odd_name_is_written_listed_read_and_removed(house: House, name: str) -> None:
    path = f"/vip/Home/odd/{quote(name, safe='')}"
    house.put(path, b"content")
    assert listed(house, "/vip/Home/odd") == [f"/vip/Home/odd/{name}"]
    assert house.read(path) == b"content"
    assert house.ok("GET", f"/path{path}?action=properties").json["size"] == 7
    assert house.ask("DELETE", f"/path{path}").status == 204
    assert listed(house, "/vip/Home/odd") == []


@pytest.mark.parametrize("name", ["%ff", "a%80b", "%ed%a0%80", "x/%fe/y"])
def test_a_name_that_is_not_utf8_is_not_written(house: House, name: str) -> None:
    for body in (b"content", None):
        answer = house.ask("PUT", f"/path/vip/Home/{name}", body)
        assert (answer.status, answer.code) == (400, 8000)
        assert "UTF-8" in answer.json["errorMessage"]


def test_names_of_results_that_are_not_utf8_are_listed_and_fetched(
    house: House, results: dict[str, Any]
) -> None:
    [out] = results["maker"]["returnedFiles"]["out"]
    paths = listed(house, out)
    assert sorted(one.removeprefix(f"{out}/") for one in paths) == ["a%FF%25b", "c\nd", "dir%FE", "plain"]
    contents = {one: house.read(quote(one)) for one in paths if not one.endswith("dir%FE")}
    assert sorted(contents.values()) == [b"odd\n", b"plain\n", b"two\n"]
    assert listed(house, f"{out}/dir%FE") == [f"{out}/dir%FE/in"]
    assert house.read(quote(f"{out}/dir%FE/in")) == b"in\n"
    assert house.ask("GET", f"/path{quote(out)}/a%FF%25b?action=md5").status == 200
    assert house.ask("DELETE", f"/path{quote(f'{out}/a%FF%25b')}").status == 204
    assert f"{out}/a%FF%25b" not in listed(house, out)


def test_a_name_that_looks_like_one_that_is_not_utf8_is_another(house: House) -> None:
    home = house.storage / "users" / house.ids["ann"] / "home" / "both"
    home.mkdir(parents=True)
    (home / "a%FF").write_text("text")
    (home / "a\udcff").write_text("bytes")
    assert house.read("/vip/Home/both/a%25FF") == b"text"
    assert house.read("/vip/Home/both/a%FF") == b"bytes"


def test_links_in_results_are_files_or_are_named(house: House, results: dict[str, Any]) -> None:
    told = results["linker"]
    [out] = told["returnedFiles"]["out"]
    names = {one.removeprefix(f"{out}/") for one in listed(house, out)}
    assert names == {"plain", "inside", "below", "directory"}
    assert house.read(f"{out}/inside") == b"plain\n"
    [job] = told["jobs"].values()
    for name in ("outside", "dangling", "pipe"):
        assert f"out/{name}" in job["exitMessage"]
    with tarfile.open(fileobj=io.BytesIO(house.read(out))) as tar:
        assert set(tar.getnames()) == {"plain", "inside", "below", "below/x", "directory", "directory/x"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/path/vip/Home/x", {"GET", "PUT", "DELETE"}),
        ("/executions", {"GET", "POST"}),
        ("/executions/x", {"GET", "PUT", "DELETE"}),
        ("/executions/x/kill", {"PUT"}),
        ("/platform", {"GET", "PUT", "POST"}),
        ("/session", {"POST", "DELETE"}),
        ("/user/externalKeys/x", {"DELETE"}),
        ("/admin/groups", {"GET", "POST"}),
    ],
)
def test_allow_names_all_methods_of_a_path(house: House, path: str, methods: set[str]) -> None:
    answer = house.ask("PATCH", path, user="root")
    assert answer.status == 405
    assert {one.strip() for one in answer.headers["allow"].split(",")} == methods
