"""Inputs and results on storages, for jobs that may not use the paths of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

ELSEWHERE = {"ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE": "true"}
TRAVELLING = {"ENGINE_DATA__STAGING": "", "ENGINE_DATA__TRAVELLING": "1048576"}


@pytest.fixture
def stores(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two storages, `a` with staged inputs too, in directories of these names."""
    root = desk.directory / "stores"
    settings = {
        "storages": {name: {"url": (root / name).as_uri()} for name in ("a", "b")},
        "data": {"staging": "a", "results": ["a", "b"], "travelling": 0},
        "backends": {"local": {"simulate_remote": True}},
    }
    config = desk.home / ".config/boutiques-engine/engine.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(yaml.safe_dump(settings))
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
    return root


def upper(desk: Desk) -> str:
    return desk.tool("tr a-z A-Z < [TEXT] > [TEXT].up", {"text": "File"}, {"o": "[TEXT].up"})


def test_a_file_of_this_machine_is_staged_once_and_its_result_comes_home(desk: Desk, stores: Path) -> None:
    desk.write("in.txt", "hello")
    desk.write("same.txt", "hello")
    sweep = desk.lines("i.jsonl", [{"text": "in.txt"}, {"text": "same.txt"}])
    done = desk.submit(upper(desk), sweep, "--runtime", "none")
    staged = [path for path in (stores / "a/inputs").rglob("*") if path.is_file()]
    assert len(staged) == 1
    assert (stores / "a" / done.id / "outputs/1/in.txt.up").read_text() == "HELLO"
    assert not list((stores / "a").rglob(".attempts"))
    assert (desk.directory / "in.txt").exists()
    desk.ok("results", done.id, "--download", "home")
    assert (desk.directory / "home/2/same.txt.up").read_text() == "HELLO"


def test_a_directory_of_this_machine_is_staged_as_a_tar(desk: Desk, stores: Path) -> None:
    (desk.directory / "d" / "sub").mkdir(parents=True)
    (desk.directory / "d" / "sub" / "x y").write_text("content")
    tool = desk.tool("cat [TEXT]/sub/'x y' > out", {"text": "File"}, {"o": "out"})
    done = desk.submit(tool, desk.write("i.json", {"text": "d"}), "--runtime", "none")
    assert (stores / "a" / done.id / "outputs/out").read_text() == "content"


def test_without_a_staging_storage_a_local_file_is_refused_with_the_setting(desk: Desk, stores: Path) -> None:
    desk.write("in.txt", "hello")
    ran = desk.run(
        "submit", upper(desk), desk.write("i.json", {"text": "in.txt"}), "--runtime", "none",
        variables={"ENGINE_DATA__STAGING": ""},
    )  # fmt: skip
    assert ran.code == 2
    assert "data.staging" in ran.err
    assert desk.debris() == []


def test_small_files_travel_with_the_jobs_and_need_no_storage(desk: Desk, stores: Path) -> None:
    desk.write("in.txt", "hello")
    (desk.directory / "top/sub").mkdir(parents=True)
    (desk.directory / "top/sub/b").write_text("b")
    tool = desk.tool("cat [TEXT] [TREE]/sub/b > out", {"text": "File", "tree": "File"}, {"o": "out"})
    invocation = desk.write("i.json", {"text": "in.txt", "tree": "top"})
    done = desk.submit(tool, invocation, "--runtime", "none", variables=TRAVELLING)
    assert (stores / "a" / done.id / "outputs/out").read_text() == "hellob"
    told = done.record()["public-invocation"]
    assert [told[id_]["url"].partition(":")[0] for id_ in ("text", "tree")] == ["sandbox"] * 2
    assert not (stores / "a/inputs").exists()


def test_more_than_may_travel_is_refused_with_both_settings(desk: Desk, stores: Path) -> None:
    desk.write("in.txt", "h" * 600)
    ran = desk.run(
        "submit", upper(desk), desk.write("i.json", {"text": "in.txt"}), "--runtime", "none",
        variables={**TRAVELLING, "ENGINE_DATA__TRAVELLING": "1111"},
    )  # fmt: skip
    assert ran.code == 2
    assert "data.staging" in ran.err
    assert "data.travelling = 1111" in ran.err
    assert desk.debris() == []


def test_a_result_is_kept_where_the_user_says(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo x > out", outputs={"o": "out"})
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none", "--store", "b:sub dir")
    assert (stores / "b/sub dir" / done.id / "outputs/out").read_text() == "x\n"
    assert f"stores/b/sub%20dir/{done.id}; engine results {done.id} --download" in done.ran.err
    assert done.ran.value["state"] == "succeeded"


def test_an_unknown_storage_is_refused_with_those_there_are(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo x > out", outputs={"o": "out"})
    ran = desk.run("submit", tool, desk.write("i.json", {}), "--runtime", "none", "--store", "c")
    assert ran.code == 2
    assert "a, b" in ran.err
    assert desk.debris() == []


def test_a_result_goes_to_the_next_storage_when_the_first_cannot_be_written(desk: Desk, stores: Path) -> None:
    (stores / "a").rmdir()
    (stores / "a").write_text("in the way")
    tool = desk.tool("echo x > out", outputs={"o": "out"})
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none")
    assert (stores / "b" / done.id / "outputs/out").read_text() == "x\n"


def test_copies_of_results_are_made_on_the_other_storages(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo x > out; mkdir d; echo y > d/y", outputs={"o": "out", "d": "d"})
    variables = {"ENGINE_DATA__REPLICAS": "2"}
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none", variables=variables)
    for store in ("a", "b"):
        assert (stores / store / done.id / "outputs/out").read_text() == "x\n"
        assert (stores / store / done.id / "outputs/d/y").read_text() == "y\n"


def test_a_result_is_had_from_its_copy_when_the_first_is_lost_or_altered(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo x > out; echo y > other", outputs={"o": "out", "p": "other"})
    variables = {"ENGINE_DATA__REPLICAS": "2"}
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none", variables=variables)
    (stores / "a" / done.id / "outputs/out").unlink()
    (stores / "a" / done.id / "outputs/other").write_text("z\n")
    desk.ok("results", done.id, "--download", "home")
    assert (desk.directory / "home/out").read_text() == "x\n"
    assert (desk.directory / "home/other").read_text() == "y\n"


def test_a_result_that_cannot_be_had_is_told_and_keeps_no_other_back(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo x > out; echo y > other", outputs={"o": "out", "p": "other"})
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none")
    (stores / "a" / done.id / "outputs/out").write_text("z\n")
    ran = desk.run("results", done.id, "--download", "home")
    assert ran.code == 2
    assert "outputs/out has sha256" in ran.err
    assert (desk.directory / "home/other").read_text() == "y\n"
    assert [path.name for path in (desk.directory / "home").iterdir()] == ["other"]


def test_a_result_is_an_input_by_its_logical_name(desk: Desk, stores: Path) -> None:
    first = desk.submit(
        desk.tool("echo hello > out", outputs={"o": "out"}), desk.write("i.json", {}), "--runtime", "none"
    )
    name = f"lfn:/executions/{first.id}/out"
    done = desk.submit(upper(desk), desk.write("j.json", {"text": name}), "--runtime", "none")
    assert (stores / "a" / done.id / "outputs/out.up").read_text() == "HELLO\n"
    assert desk.ok("catalogue", "ls", f"/executions/{first.id}").out == f"{name[4:]}\n"


def test_a_replica_map_goes_out_and_comes_in(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo hello > out", outputs={"o": "out"})
    first = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none")
    exported = desk.ok("catalogue", "export", first.id).value
    [entry] = exported.values()
    assert entry["size_bytes"] == 6
    assert entry["replicas"] == [{"url": (stores / "a" / first.id / "outputs/out").as_uri(), "se": "a"}]
    desk.write("map.json", {"/vo/greeting": entry})
    desk.ok("catalogue", "import", "map.json")
    done = desk.submit(upper(desk), desk.write("j.json", {"text": "LFN:/vo/greeting"}), "--runtime", "none")
    assert (stores / "a" / done.id / "outputs/greeting.up").read_text() == "HELLO\n"
    desk.ok("catalogue", "rm", "/vo/greeting")
    ran = desk.run("submit", upper(desk), "j.json", "--runtime", "none")
    assert ran.code == 2
    assert "no catalogue knows" in ran.err


def test_a_catalogued_file_that_was_altered_is_not_used(desk: Desk, stores: Path) -> None:
    (stores / "b" / "x").write_text("hello")
    entry = {"replicas": [{"url": (stores / "b/x").as_uri(), "se": "b"}], "checksum": {"adler32": "00000002"}}
    desk.write("map.json", {"/vo/x": entry})
    desk.ok("catalogue", "import", "map.json")
    done = desk.submit(upper(desk), desk.write("j.json", {"text": "lfn:/vo/x"}), "--runtime", "none", code=1)
    assert "adler32" in done.ran.err


def test_another_catalogue_is_told_of_results_and_asked_for_inputs(desk: Desk, stores: Path) -> None:
    variables = {
        "ENGINE_DATA__CATALOGUE": (desk.directory / "map.json").as_uri().replace("file", "replica-map")
    }
    tool = desk.tool("echo hello > out", outputs={"o": "out"})
    first = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none", variables=variables)
    known = json.loads((desk.directory / "map.json").read_text())
    assert list(known) == [f"/executions/{first.id}/out"]


def test_a_lost_result_is_taken_from_its_copy_and_made_anew(desk: Desk, stores: Path) -> None:
    tool = desk.tool("echo x > out; echo y > other", outputs={"o": "out", "p": "other"})
    variables = {"ENGINE_DATA__REPLICAS": "2"}
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none", variables=variables)
    first = stores / "a" / done.id / "outputs"
    (first / "out").unlink()
    (first / "other").write_text("z\n")
    found = {one["name"]: one["health"] for one in desk.ok("results", done.id, "--check", "--json").values}
    assert found == {"out": "from copy", "other": "good"}
    found = {one["name"]: one["health"] for one in desk.ok("results", done.id, "--deep", "--json").values}
    assert found == {"out": "good", "other": "from copy"}
    desk.ok("tick")
    assert (first / "out").read_text() == "x\n"


def test_a_result_without_a_copy_is_lost(desk: Desk, stores: Path) -> None:
    done = desk.submit(
        desk.tool("echo x > out", outputs={"o": "out"}), desk.write("i.json", {}), "--runtime", "none"
    )
    (stores / "a" / done.id / "outputs/out").unlink()
    ran = desk.run("results", done.id, "--check", "--json")
    assert ran.code == 1
    assert ran.value["health"] == "lost"
    assert "no catalogue" in desk.run("catalogue", "show", f"/executions/{done.id}/out").err
