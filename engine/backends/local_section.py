"""What can be set for a back-end that runs jobs on this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from engine import xdg
from engine.backends.node import node
from engine.errors import SettingsError
from engine.settings.backends import LOCAL, BackendSection
from engine.settings.tree import Settings
from wrappers import wire


class LocalSection(BackendSection):
    """The section of this machine. How it is set up, `node` says."""

    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Processor cores that jobs may use at a time on this machine, whatever the number of engines."""
    spool: Path | None = None
    """Where engine and wrapper meet; on a local disk. Not set: `~/.local/state/boutiques-engine/local`, for
    the back-end `local`; `local-NAME` beside it for others."""
    idle: float = Field(default=10.0, gt=0)
    """Seconds without work after which the serving wrapper ends."""
    simulate_remote: bool = False
    """Whether its jobs are treated as if they ran on other machines: to try out how files are staged."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The location of the spool, and the set-up of this machine."""

    spool: Path
    node: wire.Node
    simulate_remote: bool = False


def local_settings(settings: Settings, name: str = LOCAL) -> LocalSettings:
    """Find the settings of a back-end on this machine: its section, and what is said of the machine.

    Raises:
        SettingsError: there is no such back-end on this machine, or another one has the same spool.
    """
    ours = {name: one for name, one in settings.backends.items() if isinstance(one, LocalSection)}
    section = ours.get(name)
    if section is None:
        raise SettingsError(f"setting backends.{name}.kind: {settings.backends[name].kind} is not local")
    spools = {other: _spool(other, one) for other, one in ours.items()}
    twin = next((one for one, spool in spools.items() if one != name and spool == spools[name]), None)
    if twin is not None:
        raise SettingsError(
            f"setting backends.{name}.spool: {spools[name]} is the spool of back-end {twin}",
            remedy="give each a directory of its own",
        )
    return LocalSettings(spools[name], _this_machine(settings, section), section.simulate_remote)


def _spool(name: str, section: LocalSection) -> Path:
    usual = LOCAL if name == LOCAL else f"{LOCAL}-{name}"
    return section.spool or xdg.directory("XDG_STATE_HOME", ".local/state") / usual


def _this_machine(settings: Settings, section: LocalSection) -> wire.Node:
    """Return how this machine runs jobs: with the packages of this installation, when no others are named."""
    ours = node(settings.node)
    packages = ours.packages or [path for path in sys.path if path.endswith("-packages")]
    return ours._replace(packages=packages, slots=section.slots, idle=section.idle)
