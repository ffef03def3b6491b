"""Values reach the tool as they are and are never run: as root and as somebody else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.cli.desk import Described, Desk

pytestmark = pytest.mark.whole

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
    inputs: Mapping[str, Described] = {"a": "String", "run": {"type": "File", "default-value": "run.py"}}
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


def test_a_value_of_128_kib_is_refused_before_anything_runs_and_one_below_runs(each_desk: Desk) -> None:
    tool = each_desk.tool("env printf %s [A] > o", {"a": "String"}, {"o": "o"})
    ran = each_desk.run("submit", tool, each_desk.write("i.json", {"a": "x" * 131_072}), *BARE)
    assert ran.code == 2
    assert "i.json, input a: 131,072 bytes in one argument; a program takes at most 131,071" in ran.err
    assert each_desk.debris() == []
    done = each_desk.submit(tool, each_desk.write("i.json", {"a": "x" * 131_071}), *BARE)
    assert len(done.read("outputs/o")) == 131_071


def test_names_that_begin_with_a_dash_are_no_options(each_desk: Desk) -> None:
    (each_desk.directory / "-rf").write_text("data\n")
    inputs: Mapping[str, Described] = {"file": "File", "text": "String"}
    outputs = {"o": {"path-template": "[TEXT].out", "value-key": "[OUT]"}}
    tool = each_desk.tool("cat [FILE] > o && cp o [OUT] && cat input_params.json", inputs, outputs)
    done = each_desk.submit(tool, each_desk.write("i.json", {"file": "-rf", "text": "-n"}), *BARE)
    assert done.read("outputs/-n.out") == "data\n"
    assert "./-rf" in done.read("logs/1.1.out")


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("./o", "o"),
        ("./d/./o", "d/o"),
        ("d/../o", "o"),
        ("d/..//d/o", "d/o"),
        ("./*.txt", "a.txt"),
        ("d/../d/*.nii", "d/x.nii"),
        ("./[TEXT]", "o"),
    ],
)
def test_paths_of_results_with_dots_that_stay_inside_are_plain_ones(
    desk: Desk, template: str, written: str
) -> None:
    command = "mkdir d; echo 1 > o; echo 2 > d/o; echo 3 > a.txt; echo 4 > d/x.nii"
    tool = desk.tool(command, {"text": "String"}, {"r": template})
    done = desk.submit(tool, desk.write("i.json", {"text": "o"}), *BARE, "--results-name", "./x/../{path}")
    assert done.files("outputs") == [written]


@pytest.mark.parametrize("template", ["../o", "d/../../o", "./../o", "/o"])
def test_paths_of_results_that_leave_the_job_are_refused(desk: Desk, template: str) -> None:
    tool = desk.tool("true", outputs={"r": template})
    ran = desk.run("submit", tool, desk.write("i.json", {}), *BARE)
    assert ran.code == 2
    assert "is outside of the job's directory" in ran.err
