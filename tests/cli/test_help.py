"""Help of every command: an example that works, nothing cut; and what shells and `man` make of it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cvmfs_deploy.cli.main import cli as cvmfs_deploy
from engine.cli.commands import COMMANDS, HEADINGS, REMOTE
from engine.cli.main import cli as engine
from tests.cli.desk import Desk
from tests.cli.test_foreground import terminal
from tests.docs.reference import man, walk
from tests.docs.reference.walk import Command
from tests.services.preloaded import ENGINE

pytestmark = pytest.mark.whole


def commands() -> Iterator[Command]:
    for program in (*walk.programs(), walk.remote()):
        yield from program.all()


def test_no_line_of_any_help_is_wider_than_a_terminal_or_leaves_something_out() -> None:
    listings = [
        (command.name, line)
        for command in commands()
        for line in command.help.splitlines()
        if len(line) > 80 or "…" in line or (line.rstrip().endswith("...") and "Usage:" not in line)
    ]
    assert listings == []


def test_the_listing_of_a_group_says_the_whole_first_sentence_of_each_command() -> None:
    for group in commands():
        text = " ".join(group.help.split())
        for command in group.below:
            assert f"{command.words[-1]} {man.summary(command)}" in text


def test_every_command_has_an_example_of_itself_that_is_shown_as_it_is_typed() -> None:
    for command in commands():
        typed = [word for word in command.words if word not in ("--server", "URL")]
        assert command.example.split()[: len(typed)] == typed, command.name
        assert f"    {command.example}\n" in f"{command.help}\n", command.name


@pytest.mark.parametrize("words", [(), ("--server", "http://127.0.0.1:1")], ids=["here", "there"])
def test_the_parser_takes_every_example_of_engine(words: tuple[str, ...]) -> None:
    program = walk.remote() if words else walk.programs()[0]
    for command in program.all():
        if len(command.words) > 1:
            parse("engine", engine, [*words, *arguments(command.example)])


def test_the_parser_takes_every_example_of_cvmfs_deploy() -> None:
    for command in walk.programs()[1].all():
        parse("cvmfs-deploy", cvmfs_deploy, arguments(command.example))


def arguments(example: str) -> list[str]:
    """The words of an example after the program's name, without redirections."""
    words = shlex.split(example)[1:]
    return words[: min(words.index(sign) if sign in words else len(words) for sign in "<>")]


def parse(name: str, app: typer.Typer, words: list[str]) -> None:
    """Parse a command line to its last option, and run nothing. Raises what the parser finds wrong."""
    command: Any = typer.main.get_command(app)
    context = command.make_context(name, words)
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(name, words, parent=context)


def test_every_command_is_below_a_heading() -> None:
    placed = [name for below in HEADINGS.values() for name in below]
    assert sorted(placed) == sorted({*COMMANDS, *REMOTE})


def test_help_has_headings_and_an_example(desk: Desk) -> None:
    lines = desk.ok("--help").out.splitlines()
    assert [line for line in lines if line.endswith(":") and line[0] != " "] == [
        *("Options:", "Run:", "Look:", "Data and tools:", "Administer:")
    ]
    assert lines[-1].startswith("    engine submit ")


TAB = """
eval "$({program} --show-completion)"
COMP_WORDS=({typed}) COMP_CWORD={place}
_{function}_completion {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def tab(desk: Desk, program: str, typed: str) -> list[str]:
    """What bash offers at the end of what was typed."""
    words = typed.split(" ")
    script = TAB.format(
        program=Path(ENGINE).with_name(program),
        function=program.replace("-", "_"),
        typed=" ".join(words),
        place=len(words) - 1,
    )
    done = in_bash(desk, script)
    assert done.stderr == ""
    return done.stdout.split()


def in_bash(desk: Desk, script: str) -> subprocess.CompletedProcess[str]:
    variables = desk.all_variables({"PATH": f"{Path(ENGINE).parent}:{os.environ['PATH']}"})
    return subprocess.run(
        ["bash", "-c", script], cwd=desk.directory, env=variables, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("engine re", ["results", "resume", "retry"]),
        ("engine data r", ["rm"]),
        ("engine user group l", ["leave", "list"]),
        ("engine jobs --state f", ["failed"]),
        ("engine submit --detach --partic", ["--participants"]),
        ("engine --server http://127.0.0.1:1 file", ["files"]),
        ("cvmfs-deploy re", ["recover", "retire"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(desk: Desk, typed: str, offered: list[str]) -> None:
    assert sorted(tab(desk, typed.split()[0], typed)) == offered


def test_a_shell_that_shows_what_commands_do_shows_whole_sentences(desk: Desk) -> None:
    for typed in ("engine ", "engine user "):
        asked = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": typed}
        offered = desk.ok(variables={"_ENGINE_COMPLETE": "complete_fish", **asked}).out.splitlines()
        assert len(offered) > 5
        assert [line for line in offered if not line.endswith(".")] == []


def test_completion_is_installed_into_the_home_of_its_user_and_nowhere_else(desk: Desk) -> None:
    script = f"{ENGINE} --install-completion && {ENGINE} --install-completion; exit $?"
    done = in_bash(desk, script)
    assert (done.returncode, done.stderr) == (0, "")
    assert (desk.home / ".bashrc").read_text().count("engine.sh") == 1
    assert "complete" in (desk.home / ".bash_completions" / "engine.sh").read_text()


def test_an_id_is_shown_on_one_line_of_a_terminal_whatever_a_tool_is_called(desk: Desk) -> None:
    tool = desk.tool("true", name="a tool with a name that takes more room than a terminal has columns")
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none")
    with terminal(desk, "list") as shown:
        assert done.id in shown.end().out


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_a_shell_without_completion_is_told_which_have_it(desk: Desk, option: str) -> None:
    done = in_bash(desk, f"dash -c '{ENGINE} {option}; exit $?'")
    assert done.returncode == 2
    assert "engine: type this in bash, zsh, fish or PowerShell" in done.stderr
    assert list(desk.home.iterdir()) == []


def test_manual_pages_are_made_of_requests_that_man_knows() -> None:
    known = {".TH", ".SH", ".B", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE", ".BR"}
    for text in man.files().values():
        requests = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert requests <= known
        assert {".TH", ".SH"} <= requests
