"""How a tool ends, on each runtime: the end of the tool itself counts, and nothing else does."""

from __future__ import annotations

import os
import stat

import pytest

from tests.cli.anywhere import Anywhere

pytestmark = pytest.mark.service


def test_a_tool_that_ends_itself_by_a_signal_has_failed(anywhere: Anywhere) -> None:
    desk = anywhere.desk
    tool = desk.tool("echo x > o; kill -[N] $$; sleep 1", {"n": "Number"}, {"o": "o"}, image=anywhere.image)
    numbers = [9, 15, 11, 6, 1]
    done = desk.submit(
        tool,
        desk.write("i.json", {}),
        *("--runtime", anywhere.runtime, "--cross", f"n={','.join(map(str, numbers))}"),
        code=1,
    )
    records = [done.record(job) for job in range(1, len(numbers) + 1)]
    assert [one["public-output"]["exit-code"] for one in records] == [128 + number for number in numbers]
    assert {one["public-output"]["failure"] for one in records} == {"tool"}
    assert done.files("outputs") == []


def test_what_a_tool_leaves_in_the_background_is_not_waited_for(anywhere: Anywhere) -> None:
    done = anywhere.run(
        "(sleep 3000; echo late > o) & (trap '' TERM; sleep 3000) & echo early > o", outputs={"o": "o"}
    )
    assert done.read("outputs/o") == "early\n"


SCRIPTS = {
    "removed": "rm -rf .g*",
    "a directory": "rm .g*; mkdir .grid-engine-command; chmod 000 .grid-engine-command",
    "closed": "chmod 555 .",
    "closed to everybody": "chmod 000 .",
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_a_tool_may_clean_and_close_its_directory(anywhere: Anywhere, what: str) -> None:
    done = anywhere.run(f"echo x > o; {SCRIPTS[what]}", outputs={"o": "o"})
    assert done.read("outputs/o") == "x\n"
    assert [path for path in (anywhere.desk.spool / "jobs").glob("*/*") if path.is_dir()] == []


def test_no_result_lets_others_act_as_its_owner(anywhere: Anywhere) -> None:
    done = anywhere.run(
        "mkdir d && echo x > d/f && echo x > o && chmod 6777 o d/f && chmod 7777 d",
        outputs={"o": "o", "d": "d"},
    )
    for name in ("o", "d", "d/f"):
        mode = os.stat(done.results / "outputs" / name).st_mode
        assert stat.S_IMODE(mode) == 0o775, name


def test_a_result_whose_name_is_no_text_is_the_tools_fault(anywhere: Anywhere) -> None:
    done = anywhere.run("touch \"$(printf 'a\\377.txt')\"", outputs={"o": "*.txt"}, code=1)
    assert done.record()["public-output"]["failure"] == "tool"
    assert "o: a\\udcff.txt: its name is not UTF-8" in done.ran.err
