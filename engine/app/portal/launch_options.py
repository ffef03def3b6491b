"""What a user says of the jobs of an execution beside their values: by `engine --server URL submit`.

Nobody gets more in this way than the pipeline and the settings of the platform give.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.app.portal.carmin import CarminError, Code
from engine.domain.tool import Tool
from engine.settings.node import LimitSettings

_LEAVE_OUT = "ask for less, or leave the option out; an administrator can publish a pipeline that gives more"


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """The options of jobs; None and nothing leave them to the platform."""

    runtimes: Sequence[str] = ()
    cores: int | None = None
    memory: int | None = None
    wall: float | None = None
    group: int = 1
    read_only: bool = False
    results_name: str | None = None


def check_resources(asked: LaunchOptions, tool: Tool, usual: LimitSettings) -> None:
    """Return if no job gets more than one of this pipeline gets here anyway.

    Raises:
        CarminError: one would.
    """
    wants = tool.resources
    for option, wanted, most in (
        ("--cores", asked.cores, wants.cores or usual.cores),
        ("--memory", asked.memory, wants.ram or usual.memory),
        ("--wall", asked.wall, wants.walltime or usual.wall),
    ):
        if wanted is not None and most is not None and wanted > most:
            raise CarminError(
                Code.BAD_EXECUTION,
                f"{option} {wanted}: a job of {tool.name} gets {most} here",
                remedy=_LEAVE_OUT,
            )


def chosen_runtimes(asked: Sequence[str], offered: Sequence[str], usual: Collection[str]) -> Sequence[str]:
    """Choose those runtimes that a user asks for, of those that are offered; nothing offered stands for the
    usual ones.

    Raises:
        CarminError: one is not offered.
    """
    known = list(offered or usual)
    if strange := [one for one in asked if one not in known]:
        raise CarminError(
            Code.BAD_EXECUTION,
            f"--runtime {strange[0][:100]!r}: it is not offered here",
            remedy=f"there is {', '.join(known)}; or leave the option out",
        )
    return list(asked) or list(offered)
