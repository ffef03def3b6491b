"""What the program asks of a destination of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cvmfs_deploy.published import Changes
from engine.errors import Unavailable


class ContentRefused(Unavailable):
    """The destination does not take what it was given; with fewer images it may take some of them."""


class Publisher(Protocol):
    """A destination. Whoever calls `check`, `publish` or `recover` holds the lock `lock`."""

    @property
    def name(self) -> str:
        """For people: `/srv/images`, `cvmfs:images.example.org`."""

    @property
    def top(self) -> Path:
        """Where it can be read on this machine."""

    @property
    def staging(self) -> Path:
        """Where trees are made before they are published."""

    @property
    def lock(self) -> Path:
        """The file that is locked by whoever changes it."""

    @property
    def catalog_entries(self) -> int:
        """Entries that a nested catalog may hold; 0 where there are no catalogs."""

    @property
    def template_share(self) -> float:
        """The part of an image that must be there for a template transaction; above 1: there are none."""

    def check(self) -> None:
        """Return if a publication could begin now; what an earlier run of ours left behind is undone.

        Raises:
            Unavailable: somebody else is at work there, or the destination is out of order.
        """

    def publish(self, changes: Changes) -> None:
        """Do all of it, or nothing. Trees that were given are used up.

        Raises:
            Unavailable: it failed; the destination is as it was before.
        """

    def recover(self, force: bool) -> Sequence[str]:
        """Undo what a run that was killed left behind; with `force` also what may be somebody else's.

        Returns what was done, a line each.

        Raises:
            Unavailable: it is not ours, or cannot be undone.
        """

    def state(self) -> str:
        """Return how it stands, in a few words."""
