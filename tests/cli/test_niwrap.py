"""Descriptors of NiWrap's dialect, 0.5+styx, run as those of 0.5 do; older schemas are told what helps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.planning.conformance import descriptors, key_of, vectors

pytestmark = pytest.mark.whole

DATA = Path(__file__).resolve().parents[1] / "data" / "niwrap"
FILES = sorted(DATA.rglob("boutiques.json"))
BARE = ("--runtime", "none")
TOOL = {
    "schema-version": "0.5+styx",
    "name": "convert",
    "description": "Converts",
    "command-line": "echo [IN] [QUIET] > out.txt",
    "inputs": [
        {"id": "in", "name": "in", "type": "String", "value-key": "[IN]"},
        {"id": "quiet", "name": "quiet", "type": "Flag", "command-line-flag": "-q", "value-key": "[QUIET]"},
    ],
    "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
}
ALGORITHM = {
    "id": "algorithm",
    "name": "algorithm",
    "value-key": "[IN]",
    "type": [
        {
            "id": "fast",
            "command-line": "fast [X]",
            "inputs": [{"id": "x", "type": "File", "value-key": "[X]"}],
        },
        {"id": "slow", "command-line": "slow", "inputs": []},
    ],
}


def name_of(path: Path) -> str:
    return "/".join(path.relative_to(DATA).parts[:3:2])


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_descriptor_of_the_dialect_is_expanded_like_the_one_it_was(desk: Desk, path: Path) -> None:
    key = ("niwrap", f"{name_of(path)}.json")
    known = [one for one in vectors() if key_of(one) == key and one["expect"] == "ok" and "quirk" not in one]
    lines = desk.lines("all.jsonl", [one["invocation"] for one in known])
    told = desk.ok("expand", path, lines).values
    assert [one["command_line"] for one in told] == [one["command_line"] for one in known]
    assert [one["output_files"] for one in told] == [one["output_files"] for one in known]
    rejected = [one for one in vectors() if key_of(one) == key and one["expect"] == "reject"]
    wrong = [one["invocation"] for one in rejected if "quirk" not in one]
    told = desk.run("expand", path, desk.lines("wrong.jsonl", wrong)).values
    assert ["error" in one for one in told] == [True] * len(wrong)
    # what the descriptor of then says of itself, the directories around this one say
    image = descriptors()[key].data.get("container-image", {}).get("image")
    found = desk.run("lint", path, "--json").values
    assert any(one["rule"] == "no-image" for one in found) is (image is None)


def test_there_are_a_dozen() -> None:
    assert len(FILES) == 12


def test_version_and_image_come_from_the_directories_around(desk: Desk) -> None:
    add = desk.ok("pipeline", "add", DATA / "fsl/6.0.4/bet2/boutiques.json", "--json")
    assert add.value["identifier"] == "bet2/6.0.4"
    shutil.copytree(DATA / "fsl/6.0.4", desk.directory / "6.0.4")
    relative = desk.ok("pipeline", "add", "boutiques.json", cwd=desk.directory / "6.0.4/bet2")
    assert relative.out == "bet2/6.0.4\n"
    alone = shutil.copy(DATA / "fsl/6.0.4/bet2/boutiques.json", desk.directory / "alone.json")
    assert desk.ok("pipeline", "add", alone).out == "bet2/unknown\n"
    assert "container-image: missing" in desk.ok("pipeline", "add", alone).err


@pytest.mark.parametrize("told", ["{", "[]", '{"name": "7.0", "container": "evil"}', '{"name": "6.0.4"}'])
def test_a_version_file_that_says_something_else_is_left_alone(desk: Desk, told: str) -> None:
    place = desk.directory / "6.0.4/convert"
    place.mkdir(parents=True)
    (place / "boutiques.json").write_text(json.dumps(TOOL))
    (place.parent / "version.json").write_text(told)
    ran = desk.ok("pipeline", "add", place / "boutiques.json")
    assert ran.out == "convert/6.0.4\n"
    assert "container-image: missing" in ran.err


def test_such_a_tool_runs_and_a_flag_may_be_left_out(desk: Desk) -> None:
    tool = desk.write("styx.json", TOOL)
    done = desk.submit(tool, desk.lines("i.jsonl", [{"in": "a"}, {"in": "b", "quiet": True}]), *BARE)
    assert [done.read(f"outputs/{job}/out.txt") for job in (1, 2)] == ["a\n", "b -q\n"]


def test_fields_of_the_dialect_are_kept_and_change_nothing(desk: Desk) -> None:
    inputs = [
        {"id": "f", "name": "f", "type": "File", "value-key": "[IN]", "mutable": True, "resolve-parent": True}
    ]
    streams = {"stdout-output": {"id": "log", "name": "log"}, "stderr-output": {"id": "err", "name": "err"}}
    data = {**TOOL, **streams, "inputs": inputs, "output-files": [], "command-line": "cat [IN]", "groups": []}
    desk.write("in.txt", "content")
    done = desk.submit(desk.write("styx.json", data), desk.write("i.json", {"f": "in.txt"}), *BARE)
    assert done.read("logs/1.1.out") == "content"


def test_no_outputs_are_an_empty_list_for_descriptors_of_0_5_too(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT]")
    data = json.loads((desk.directory / tool).read_text())
    desk.ok("lint", desk.write(tool, {**data, "output-files": []}))


@pytest.mark.parametrize("version", ["0.5+styx", "0.5"])
def test_subcommands_are_refused_in_one_clear_line_without_json(desk: Desk, version: str) -> None:
    data = {**TOOL, "schema-version": version, "tool-version": "1", "inputs": [ALGORITHM]}
    ran = desk.run("lint", desk.write("sub.json", data))
    assert ran.code == 2
    assert "{" not in ran.err
    assert len(ran.lines) <= 2, ran.err
    assert ran.lines[0] == "engine: sub.json: input algorithm: sub-commands (fast, slow) are not supported"


def test_ids_that_stand_twice_stay_refused(desk: Desk) -> None:
    twice = [{"id": "in", "name": "in", "path-template": "out.txt"}]
    ran = desk.run("lint", desk.write("twice.json", {**TOOL, "output-files": twice}))
    assert (ran.code, ran.lines) == (2, ['engine: twice.json: not a valid descriptor: "in" is non-unique'])


@pytest.mark.parametrize(
    ("version", "more", "words"),
    [
        ("0.4", {}, "`bosh import 0.4 NEW.json OLD.json`"),
        ("0.3", {"docker-image": "a/b"}, "docker-image and docker-index are container-image now"),
        ("0.2", {"inputs": [{"command-line-key": "[A]"}]}, "command-line-key of an input is value-key now"),
        ("0.1", {}, "write it as one of 0.5"),
        (0.5, {}, 'write it as text: "0.5"'),
        ("0.5-styx", {}, "write the descriptor as one of 0.5"),
        (["0.5"], {}, "write the descriptor as one of 0.5"),
    ],
)
def test_another_schema_is_refused_with_a_remedy(desk: Desk, version: Any, more: Any, words: str) -> None:
    data = {**TOOL, "tool-version": "1", **more, "schema-version": version}
    ran = desk.run("submit", desk.write("old.json", data), desk.write("i.json", {"in": "x"}), *BARE)
    assert (ran.code, desk.debris()) == (2, [])
    assert ran.lines[0].startswith("engine: old.json: not a valid descriptor: schema-version: ")
    assert words in ran.err
    assert len(ran.lines) == 2
