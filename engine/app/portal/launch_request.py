"""What a client asks to have run, and what becomes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.app.portal.executor_settings import ExecutorSettings
from engine.app.portal.given_jobs import GivenJob
from engine.app.portal.launch_options import LaunchOptions
from engine.store.launches import Launch


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A client's request to run something."""

    name: str
    pipeline: str = ""
    """`name/version`, or the DOI of a descriptor (`zenodo.N`)."""
    descriptor: Mapping[str, Any] | None = None
    """A descriptor of the user's own, in place of a pipeline."""
    values: Mapping[str, Any] = field(default_factory=dict)
    location: str = ""
    """Where results go: a directory of the virtual tree, or a directory of a registered storage."""
    study: str = ""
    key: str | None = None
    """The client's: the same key again is the execution of then."""
    address: str = ""
    """Of the client."""
    trusted: bool = False
    """Whether another portal asks, which has checked its users: its descriptor is as good as a published one,
    and files of the shared directories may be named."""
    settings: ExecutorSettings = field(default_factory=ExecutorSettings)
    """What it asks of the back-end."""
    jobs: Sequence[GivenJob] | None = None
    """The jobs themselves, in place of values."""
    options: LaunchOptions = field(default_factory=LaunchOptions)
    coming: Collection[str] = ()
    """Files of the virtual tree that are brought only when it is submitted; for what is only planned."""


@dataclass(frozen=True, slots=True)
class Launched:
    """An execution that was asked for."""

    launch: Launch
    new: bool
    """False: it was launched before, by the same key."""
    warnings: Sequence[str] = ()
    """What its user should know, without paths of this machine."""
