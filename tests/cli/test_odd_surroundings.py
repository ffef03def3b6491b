"""Commands in odd surroundings: closed streams, other encodings, no home, no directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.desk import Desk, Ran
from tests.services.preloaded import ENGINE

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")
ODD = os.fsdecode(b"a\xff")
"""A name of bytes that are no UTF-8."""


@pytest.fixture
def asked(each_desk: Desk) -> tuple[Desk, str, str]:
    """A tool and an invocation."""
    tool = each_desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    return each_desk, tool, each_desk.write("i.json", {"text": "é 日本 😀"})


def shell(desk: Desk, line: str, **variables: str) -> Ran:
    """A line of a shell, in which `engine` is ours."""
    done = subprocess.run(
        desk.become(["sh", "-c", f'engine() {{ "{ENGINE}" "$@"; }}; {line}']),
        cwd=desk.directory,
        env=desk.all_variables(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["expand", "submit --runtime none"])
def test_a_command_runs_with_closed_streams(asked: tuple[Desk, str, str], closed: str, command: str) -> None:
    desk, tool, invocation = asked
    ran = shell(desk, f"engine {command} {tool} {invocation} {closed}")
    assert (ran.code, "Traceback" in ran.err) == (0, False), ran
    if command.startswith("submit"):
        assert [path.read_text() for path in desk.directory.glob("results/*/outputs/o")] == ["é 日本 😀\n"]


def test_standard_input_that_is_closed_is_empty(asked: tuple[Desk, str, str]) -> None:
    desk, tool, _ = asked
    ran = shell(desk, f"engine expand {tool} - <&-")
    assert (ran.code, ran.lines) == (2, ["engine: standard input: empty"])


def test_what_fails_is_told_by_its_code_with_closed_streams(asked: tuple[Desk, str, str]) -> None:
    desk, tool, _ = asked
    assert shell(desk, f"engine expand {tool} none.json >&- 2>&-").code == 2


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C"},
    ],
    ids=["latin-1", "ascii", "posix", "c"],
)
def test_names_that_the_encoding_does_not_have_are_written_with_escapes(
    asked: tuple[Desk, str, str], variables: dict[str, str]
) -> None:
    desk, tool, invocation = asked
    ran = desk.ok("plan", tool, invocation, *BARE, variables=variables, encoding="latin-1")
    assert "command   echo" in ran.out
    shown = desk.ok("plan", tool, invocation, *BARE, "--json", variables=variables)
    assert shown.value["command"].startswith("echo 'é 日本 😀'")


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--before", ODD),
        ("catalogue", "ls", ODD),
        ("keys", "remove", ODD),
        ("data", "ls", ODD),
        ("submit", "t.json", "i.json", *BARE, "--results", ODD),
        ("submit", "t.json", "i.json", *BARE, "--key", ODD),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_an_argument_that_is_no_utf_8_is_refused_by_its_name(
    asked: tuple[Desk, str, str], words: tuple[str, ...]
) -> None:
    desk, tool, _ = asked
    ran = desk.run(*(tool if word == "t.json" else word for word in words))
    assert ran.code == 2, ran
    assert r"a\udcff" in ran.err
    assert "defect" not in ran.err


def test_a_file_whose_name_is_no_utf_8_is_listed_copied_and_removed_with_its_directory(desk: Desk) -> None:
    odd = desk.directory / "study" / ODD
    odd.parent.mkdir()
    odd.write_text("x")
    assert desk.ok("data", "ls", "study").out == "a\\udcff\n"
    [found] = desk.ok("data", "ls", "study", "--json").values
    assert found["url"].endswith("/study/a%FF")
    desk.ok("data", "get", "study", "--into", "copy")
    assert (desk.directory / "copy" / ODD).read_text() == "x"
    desk.ok("data", "rm", "-r", "study")
    assert not odd.parent.exists()


@pytest.mark.parametrize("command", ["status", "logs"])
def test_an_execution_that_is_no_utf_8_is_refused_by_its_name(
    asked: tuple[Desk, str, str], command: str
) -> None:
    desk, tool, invocation = asked
    desk.submit(tool, invocation, *BARE)
    ran = desk.run(command, ODD)
    assert (ran.code, ran.lines[0]) == (2, r"engine: 'A\udcff' is not text that UTF-8 can express")


def test_a_directory_whose_name_is_no_utf_8_is_told(asked: tuple[Desk, str, str]) -> None:
    desk, tool, invocation = asked
    odd = desk.directory / ODD
    odd.mkdir()
    for name in (tool, invocation):
        shutil.copy(desk.directory / name, odd / name)
    ran = desk.run("submit", tool, invocation, *BARE, cwd=odd)
    assert ran.code == 2
    assert ran.lines[1] == "engine: rename that file or directory, or write the argument in UTF-8"


@pytest.mark.parametrize(
    "command", ["expand t.json i.json", "plan t.json i.json --runtime none", "list", "-h"]
)
def test_a_full_disk_behind_standard_output_is_told(asked: tuple[Desk, str, str], command: str) -> None:
    desk, tool, _ = asked
    ran = shell(desk, f"engine {command.replace('t.json', tool)} > /dev/full")
    assert (ran.code, ran.lines) == (3, ["engine: standard output: No space left on device"])


def test_a_current_directory_that_is_gone_is_told(asked: tuple[Desk, str, str]) -> None:
    desk, tool, invocation = asked
    paths = f"{desk.directory / tool} {desk.directory / invocation}"
    ran = shell(desk, f"mkdir gone; cd gone; rmdir ../gone; engine plan {paths} --runtime none")
    assert (ran.code, ran.lines) == (3, ["engine: the current directory: No such file or directory"])


@pytest.mark.parametrize("home", ["~", "relative", ""])
def test_nothing_is_put_into_a_home_that_is_no_directory_of_the_system(tmp_path: Path, home: str) -> None:
    code = "from engine import xdg; print(xdg.directory('XDG_STATE_HOME', '.local/state'))"
    python = Path(ENGINE).with_name("python")
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env={"HOME": home}, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("/")


def test_an_account_that_the_system_does_not_know_gets_no_directory_called_tilde(
    ordinary_desk: Desk,
) -> None:
    desk = ordinary_desk
    nobody = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "env", "-u", "HOME"]
    desk.directory.chmod(0o777)
    done = subprocess.run([*nobody, ENGINE, "list"], cwd=desk.directory, capture_output=True, text=True)
    assert done.returncode == 3, done
    assert "set `database` (or ENGINE_DATABASE) to a place that can be written" in done.stderr
    assert not (desk.directory / "~").exists()


def test_a_number_of_repetitions_that_no_memory_holds_is_no_matter_where_few_are_taken(desk: Desk) -> None:
    tool = desk.tool("echo")
    asked = ("expand", tool, desk.write("i.json", {}), "--repeat", str(10**15))
    assert len(desk.ok(*asked, "--first", "2").values) == 2
    ran = desk.run(*asked, "--max-jobs", "2")
    assert (ran.code, ran.lines[0]) == (2, "engine: the request makes more than 2 jobs")


@pytest.mark.parametrize(
    "words", [("rm", "-r", ""), ("ls", ""), ("mv", "", "x"), ("stat", ""), ("put", "", ".")]
)
def test_an_empty_place_is_no_current_directory(desk: Desk, words: tuple[str, ...]) -> None:
    kept = desk.directory / desk.write("kept", "kept")
    ran = desk.run("data", *words)
    assert (ran.code, ran.lines[0]) == (2, "engine: a location is empty")
    assert kept.exists()


def test_directories_of_the_former_name_are_used_and_told_of_once(desk: Desk) -> None:
    former = desk.home / ".local/share/grid-engine"
    former.mkdir(parents=True)
    first, second = desk.ok("list"), desk.ok("list")
    assert first.err.count(f"{former} is used while it is there") == 1
    assert (second.err, (former / "engine.db").is_file()) == ("", True)
    former.rename(former.with_name("boutiques-engine"))
    assert desk.ok("list").err == ""
    assert not former.exists()
