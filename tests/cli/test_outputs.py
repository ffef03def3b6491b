"""What counts as a result: what the tool wrote, and nothing that was there before it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.cli.anywhere import Anywhere
from tests.cli.desk import Described, Desk

pytestmark = pytest.mark.service

FILE = {"file": "File"}
BARE = ("--runtime", "none")
UNCHANGED = "was there before, and the tool did not change it"


def give(desk: Desk, name: str = "in.txt", text: str = "given\n") -> str:
    """Write a file, or one in a directory."""
    (desk.directory / name).parent.mkdir(exist_ok=True, parents=True)
    return desk.write(name, text)


def test_an_input_that_a_wildcard_matches_is_no_result(anywhere: Anywhere) -> None:
    give(anywhere.desk)
    done = anywhere.run("true # [FILE]", {"file": "in.txt"}, inputs=FILE, outputs={"o": "*.txt"}, code=1)
    assert done.files("outputs") == []
    assert f"in.txt {UNCHANGED}" in done.ran.err


def test_what_the_tool_changed_is_a_result_and_what_it_left_is_not(anywhere: Anywhere) -> None:
    for name in ("kept", "read", "appended", "same-length", "moved-over", "old-date", "rewritten", "mode"):
        give(anywhere.desk, f"d/{name}.txt", "12345\n")
    done = anywhere.run(
        "cd [DIRECTORY] && cat read.txt && echo more >> appended.txt && touch -r kept.txt stamp"
        " && echo 54321 > same-length.txt && echo 54321 > old-date.txt && touch -r stamp old-date.txt"
        " && cp -p kept.txt other && mv other moved-over.txt && rm stamp"
        " && cp kept.txt rewritten.new && mv rewritten.new rewritten.txt"
        " && chmod 777 mode.txt && ln mode.txt hard-link.txt",
        {"directory": "d"},
        inputs={"directory": "File"},
        outputs={"o": "d/*.txt"},
    )
    written = ["appended", "hard-link", "moved-over", "old-date", "rewritten", "same-length"]
    assert done.files("outputs") == [f"d/{name}.txt" for name in written]


def test_a_staged_directory_is_a_result_when_something_in_it_was_changed(anywhere: Anywhere) -> None:
    for name in ("sub-1/a.txt", "sub-2/a.txt", "sub-3/a.txt", "sub-4/a.txt", "sub-5/deep/a.txt"):
        give(anywhere.desk, f"all/{name}")
    done = anywhere.run(
        "cd [DIRECTORY] && echo x > sub-1/new && echo x >> sub-2/a.txt && rm sub-3/a.txt"
        " && chmod -R 777 sub-4 && mkdir sub-5/deep/new && mkdir sub-6",
        {"directory": "all"},
        inputs={"directory": "File"},
        outputs={"o": "all/*"},
    )
    found = sorted(path.name for path in (done.results / "outputs/all").iterdir())
    assert found == ["sub-1", "sub-2", "sub-3", "sub-5", "sub-6"]


@pytest.mark.parametrize(
    "template", ["*.json", "in*", "*/*.txt", "*", "?n.txt", "[a-z]n.txt", "d/*", "d*/s*"]
)
def test_nothing_that_is_staged_satisfies_a_wildcard(desk: Desk, template: str) -> None:
    give(desk)
    give(desk, "d/in.txt")
    give(desk, "d/sub/deep.txt")
    tool = desk.tool(
        "chmod -R a+rwX * # [FILES]",
        {"files": {"type": "File", "list": True}, "config": "String"},
        {
            "o": template,
            "c": {
                "path-template": "made/config.json",
                "file-template": ["{}"],
            },
        },
    )
    done = desk.submit(tool, desk.write("i.json", {"files": ["in.txt", "d"], "config": "x"}), *BARE, code=1)
    assert "did not write its output o" in done.ran.err
    assert done.files("outputs") == []


def test_the_files_that_we_write_ourselves_are_results_where_they_are_named(desk: Desk) -> None:
    tool = desk.tool("true", outputs={"o": "input_params.json"})
    done = desk.submit(tool, desk.write("i.json", {"text": "x"}), *BARE)
    assert json.loads(done.read("outputs/input_params.json")) == {"text": "x"}


@pytest.mark.parametrize("name", ["in.txt", "scan[1].txt", "what?.txt", "star*.txt"])
def test_an_input_that_a_template_names_is_a_result(desk: Desk, name: str) -> None:
    give(desk, name)
    tool = desk.tool("true [FILE]", FILE, {"o": "[FILE]"})
    done = desk.submit(tool, desk.write("i.json", {"file": name}), *BARE)
    assert done.files("outputs") == [name]


def test_an_optional_output_that_only_inputs_match_is_absent(desk: Desk) -> None:
    give(desk)
    outputs: Mapping[str, Described] = {
        "o": "made",
        "more": {"path-template": "*.txt", "optional": True, "list": True},
    }
    tool = desk.tool("touch made # [FILE]", FILE, outputs)
    done = desk.submit(tool, desk.write("i.json", {"file": "in.txt"}), *BARE)
    assert done.files("outputs") == ["made"]


def test_the_directories_for_inputs_of_one_name_are_no_results(desk: Desk) -> None:
    give(desk, "a/in.txt")
    give(desk, "b/in.txt")
    tool = desk.tool("true [FILES]", {"files": {"type": "File", "list": True}}, {"o": "[0-9]*"})
    orders = desk.write("i.json", {"files": ["a/in.txt", "b/in.txt"]})
    done = desk.submit(tool, orders, *BARE, code=1)
    assert UNCHANGED in done.ran.err
