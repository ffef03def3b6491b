"""Values reach the tool as they are and are never run: as root and as somebody else."""

from __future__ import annotations

import pytest

from tests.cli.desk import Desk

BARE = ("--runtime", "none")


@pytest.mark.parametrize(
    "command",
    [
        'python3 run.py --input "[A]" > o',
        "sh -c 'python3 run.py \"$@\" > o' _ -i [A]",
        "env X=1 python3 -u run.py -mc [A] > o",
    ],
)
def test_an_argument_of_a_script_reaches_it_whatever_it_holds(each_desk: Desk, command: str) -> None:
    each_desk.write("run.py", "import sys\nprint(sys.argv[2])\n")
    value = "a b; touch PWNED $(touch PWNED) 'x' \"y\""
    inputs = {"a": "String", "run": {"type": "File", "default-value": "run.py"}}
    tool = each_desk.tool(command, inputs, {"o": "o"})
    done = each_desk.submit(tool, each_desk.write("i.json", {"a": value}), *BARE)
    assert done.read("outputs/o") == value + "\n"


@pytest.mark.parametrize("command", ["awk [A] f", "env sh -c [A]", "cat <<< x; source <(echo [A])"])
def test_what_would_be_run_is_refused_by_its_input(each_desk: Desk, command: str) -> None:
    tool = each_desk.tool(command, {"a": "String"}, shell="/bin/bash")
    ran = each_desk.run("submit", tool, each_desk.write("i.json", {"a": "; touch x"}), *BARE)
    assert ran.code == 2
    assert "input a: '; touch x' stands where the command line cannot quote it" in ran.err
    assert each_desk.debris() == []


def test_entries_of_a_list_with_a_separator_of_shell_syntax_are_no_commands(each_desk: Desk) -> None:
    listed = {"a": {"type": "String", "list": True, "list-separator": ";"}}
    tool = each_desk.tool("echo [A] > o", listed, {"o": "o"})
    done = each_desk.submit(tool, each_desk.write("i.json", {"a": ["x", "touch PWNED", "exit 3"]}), *BARE)
    assert done.read("outputs/o") == "x;touch PWNED;exit 3\n"
