"""What our command line programs share: words and tables for people, and the end of a command.

Every expected failure is one clear line on stderr and a documented exit code; a defect of ours keeps its
traceback where a report can quote it.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from io import TextIOWrapper
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

from engine import __version__
from engine.errors import BadRequest, Bug, Cancelled, EngineError, Unavailable
from engine.extras import remedy_for

_surrogate = re.compile("[\ud800-\udfff]").search  # stands for a byte that is no UTF-8
_COMPLETION = ("--install-completion", "--show-completion")
_NAME = 32
"""Columns for the name of a row; an id has 26."""
_SHELLS = "type this in bash, zsh, fish or PowerShell"
_ESCAPES = {code: None for code in [*range(32), 127, *range(128, 160)] if chr(code) not in "\n\t"}


def say(*words: str) -> None:
    """Print a line for people. What it quotes may come from a tool, a registry or a file: see `cell`."""
    print(*(text.translate(_ESCAPES) for text in words), file=sys.stderr, flush=True)


def counted(number: int, one: str, many: str = "") -> str:
    """Render a number of things in words: `1 image`, `2 images`; `many` where that is more than `one` with an
    s.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table on stdout; piped, it is plain text without colours or cut cells. On a terminal long cells
    are folded, but what a row is called by, its first cell, can be copied.
    """
    if not sys.stdout.isatty():
        for row in ([c.upper() for c in columns], *rows):
            print("\t".join(cell(value) for value in row))
        return
    from rich.console import Console  # 40 ms that a pipe need not pay
    from rich.table import Table

    grid = Table(box=None, header_style="bold", pad_edge=False)
    lines = [[cell(value) for value in row] for row in rows]
    name = max((len(line[0]) for line in lines), default=0)
    for index, column in enumerate(columns):
        grid.add_column(column, overflow="fold", min_width=None if index else min(name, _NAME))
    for line in lines:
        grid.add_row(*line)
    Console().print(grid)


def cell(value: Any) -> str:
    """Render a value in one cell. Control characters of a tool's text must not reach the terminal."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        value = ", ".join(f"{k}={v}" for k, v in value.items())
    return str(value).translate(_ESCAPES).replace("\n", " ").replace("\t", " ")


def plain(value: Any) -> Any:
    """Convert a value of ours to JSON values."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


class HelpGroup(TyperGroup):
    """A group of commands. Its help has them under headings, and cuts no word of what they do."""

    headings: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Heading -> names below it; names without one come last."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command; shells show its first sentence too, when they complete."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.short_help = summary(command)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each command does: the first sentence of its help."""
        names = self.list_commands(ctx)
        placed = {name for below in self.headings.values() for name in below}
        rest = [name for name in names if name not in placed]
        for heading, below in {**self.headings, "Commands": rest}.items():
            shown = [name for name in below if name in names]
            if shown:
                with formatter.section(heading):
                    formatter.write_dl([(name, summary(self.get_command(ctx, name))) for name in shown])


def command_line(name: str, help: str, example: str, group: type[HelpGroup] = HelpGroup) -> typer.Typer:
    """Make the command line of a program; commands are added to it."""
    return typer.Typer(
        name=name,
        help=help,
        cls=group,
        epilog=shown_example(example),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
]


def summary(command: Any) -> str:
    """Return the first sentence of a command's help."""
    text = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def shown_example(line: str) -> str:
    """Put an example at the end of a command's help, where no line of it is broken."""
    return f"\b\nExample:\n  {line}" if line else ""


@dataclass(frozen=True, slots=True)
class CommandProgram:
    """A command line program."""

    name: str
    cli: typer.Typer
    interrupted: str = "interrupted"
    """What is said when its user has ended it."""

    def run(self, words: Sequence[str]) -> int:
        """Run a command, and return its exit code. Not by Typer's own `main`, where a closed pipe is a failed
        job.
        """
        _steady_streams()
        try:
            code = self._invoke(words)
            sys.stdout.flush()
            return code
        except EngineError as error:
            self._complain(error)
            return error.exit_code
        except BrokenPipeError:  # `engine jobs | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (KeyboardInterrupt, EOFError, typer.Abort):
            self._say(self.interrupted)
            return Cancelled.exit_code
        except OSError as error:
            where = error.filename or _subject_without_name()
            self._say(f"{where}: {error.strerror or error}" if where else f"{error.strerror or error}")
            return Unavailable.exit_code
        except ModuleNotFoundError as error:
            remedy = remedy_for(error.name or "")
            if not remedy:
                return self._usage_or_defect(error)
            self._complain(BadRequest(f"the Python package {error.name} is not installed", remedy=remedy))
            return BadRequest.exit_code
        except Exception as error:
            return self._usage_or_defect(error)

    def _invoke(self, words: Sequence[str]) -> int:
        command = typer.main.get_command(self.cli)
        variable = f"_{self.name.replace('-', '_').upper()}_COMPLETE"
        if asked := os.environ.get(variable):  # by a shell, at the key TAB
            from typer.completion import shell_complete

            os.environ["COLUMNS"] = "1000"  # a sentence that is wrapped would be two completions
            return shell_complete(command, {}, self.name, variable, asked)
        try:
            with command.make_context(self.name, list(words)) as context:
                context.command.invoke(context)
        except typer.Exit as done:
            if done.exit_code and words and words[0] in _COMPLETION:
                raise BadRequest("this shell has no completion", remedy=_SHELLS) from done
            return done.exit_code
        return 0

    def _complain(self, error: EngineError) -> None:
        for line in (isinstance(error, BadRequest) and error.problems) or (error.message,):
            self._say(line)
        if error.remedy:
            self._say(error.remedy)
        if isinstance(error, Bug):
            self._say(f"this is a defect of {self.name}; please report it")

    def _usage_or_defect(self, error: Exception) -> int:
        """Errors of the command line's own parser know their exit code; anything else is a defect of ours."""
        code: Any = getattr(error, "exit_code", None)
        words = getattr(error, "format_message", None)
        if code is not None and words is not None:
            text = words()
            say(text if text.startswith("Usage: ") else f"{self.name}: {text}")
            return int(code)
        if isinstance(error, UnicodeEncodeError) and _surrogate(error.object):
            self._say(f"{error.object!r} is not text that UTF-8 can express")
            self._say("rename that file or directory, or write the argument in UTF-8")
            return BadRequest.exit_code
        self._say(f"{type(error).__name__}: {error}")
        self._say(f"this is a defect of {self.name}; please report it{_keep_traceback()}")
        return Bug.exit_code

    def _say(self, words: str) -> None:
        say(f"{self.name}: {words}")


def _steady_streams() -> None:
    """See that the standard streams are there, so that no file of ours takes the place of one, and that a
    name that their encoding does not have is written with escapes.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _subject_without_name() -> str:
    """Say what an error of the system without a file's name is about, as far as can be seen afterwards."""
    try:
        os.write(sys.stdout.fileno(), b"\n")  # a flush that failed has forgotten what it could not write
    except (OSError, ValueError):
        return "standard output"
    try:
        os.getcwd()
    except OSError:
        return "the current directory"
    return ""


def _keep_traceback() -> str:
    """Put the traceback where a report can quote it; users are spared it."""
    from engine import xdg

    path = xdg.directory("XDG_STATE_HOME", ".local/state") / "defects.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a") as log:
            log.write(traceback.format_exc() + "\n")
    except OSError:
        return ""
    return f" with the end of {path}"
