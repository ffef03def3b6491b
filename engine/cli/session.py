"""What the commands share: the settings file that was named, and the engine made from it when needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import imported

if TYPE_CHECKING:  # SQLAlchemy and pydantic cost half a second: `engine --help` does without
    from engine.planning import Descriptor
    from engine.usecases import Executions
    from engine.wiring import Engine

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DescriptorArgument = Annotated[str, typer.Argument(help="Boutiques descriptor: a file, zenodo.N, or a DOI.")]
NetworkOption = Annotated[
    bool, typer.Option("--network", help="Fetch a descriptor zenodo.N that is not in bosh's cache.")
]
InvocationsArgument = Annotated[
    list[str] | None,
    typer.Argument(help="JSON (one, or an array), .jsonl, .csv, .tsv, a directory, several files, or -."),
]
RuntimeOption = Annotated[
    list[str] | None,
    typer.Option(help="Container runtime, in order when repeated; `none` runs without a container."),
]
ExecutionArgument = Annotated[
    str | None, typer.Argument(help="Id of an execution, or the beginning of one; the newest if left out.")
]


@dataclass
class Session:
    """The state of one run of the command line."""

    config: Path | None = None
    server: str | None = None

    @cached_property
    def engine(self) -> Engine:
        """The wired engine.

        Raises:
            SettingsError: the settings are wrong.
        """
        from engine import wiring
        from engine.settings.reading import load
        from engine.terminal import say
        from wrappers.prctl import forbid_inspection

        forbid_inspection()
        made = wiring.build(load(self.config, warn=lambda line: say(f"engine: warning: {line}")))
        imported()
        return made

    @cached_property
    def executions(self) -> Executions:
        """The use cases of executions: of the daemon that was named, or with the engine in this process."""
        if self.server:
            from engine.cli.remote_session import daemon

            return daemon()
        from engine.cli.background import start
        from engine.cli.in_process import InProcess

        return InProcess(self.engine, lambda: start(self.config))

    def close(self) -> None:
        """Give back what the engine holds, if one was made."""
        made = self.__dict__.get("engine")
        if made is not None and "db" in made.__dict__:
            made.db.close()


session = Session()


def load_descriptor(name: str, *, network: bool) -> Descriptor:
    """Load the descriptor that a person names; settings are read only for the network.

    Raises:
        BadRequest, NotFound, Unavailable: see `engine.planning.load_descriptor`.
    """
    from engine.planning import descriptors

    if not network:
        return descriptors.load_descriptor(name)
    return descriptors.load_descriptor(name, network=True, endpoint=session.engine.settings.zenodo)


def job_of(text: str | None) -> tuple[str, int]:
    """Find the job that a person names as EXECUTION:NUMBER, EXECUTION (if it has just one), or :NUMBER.

    Raises:
        BadRequest: the number is not one, or is needed.
        NotFound: there is no such execution.
    """
    from engine.errors import BadRequest

    id_, number = execution_or_job_of(text)
    if number is None and session.executions.status(id_).jobs != 1:
        raise BadRequest(
            f"execution {id_} has several jobs",
            remedy="name one as EXECUTION:NUMBER, of the newest as :NUMBER; engine jobs shows them",
        )
    return id_, 1 if number is None else number


def execution_or_job_of(text: str | None) -> tuple[str, int | None]:
    """Find the execution that a person names, and the number of the job where one is written.

    Raises:
        BadRequest: the number is not one.
        NotFound: there is no such execution.
    """
    from engine.usecases import parted

    execution, number = parted(text)
    return session.executions.resolve(execution), number
