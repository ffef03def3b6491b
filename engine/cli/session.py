"""What the commands share: the settings file that was named, and the engine made from it when needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # SQLAlchemy and pydantic cost half a second: `engine --help` does without
    from engine.ids import ExecutionId
    from engine.wiring import Engine

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ExecutionArgument = Annotated[
    str | None, typer.Argument(help="Id of an execution, or the beginning of one; the newest if left out.")
]


@dataclass
class Session:
    """One run of the command line."""

    config: Path | None = None

    @cached_property
    def engine(self) -> Engine:
        """The wired engine.

        Raises:
            SettingsError: the settings are wrong.
        """
        from engine import settings, wiring

        return wiring.build(settings.load(self.config))

    def close(self) -> None:
        """Give back what the engine holds, if one was made."""
        made = self.__dict__.get("engine")
        if made is not None and "db" in made.__dict__:
            made.db.close()


session = Session()


def job_of(text: str | None) -> tuple[ExecutionId, int]:
    """The job that a person names as EXECUTION:NUMBER, EXECUTION (if it has just one), or :NUMBER.

    Raises:
        BadRequest: the number is not one, or is needed.
        NotFound: there is no such job.
    """
    from engine.errors import BadRequest

    app = session.engine.app
    execution, _, number = (text or "").partition(":")
    id_ = app.resolve(execution)
    if not number:
        return id_, app.only_number(id_)
    if not number.isdigit():
        raise BadRequest(f"{text}: the number of a job is needed after the colon")
    return id_, int(number)
