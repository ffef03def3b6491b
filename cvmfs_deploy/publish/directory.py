"""A plain directory as a destination: NFS, or any shared file system.

Each tree appears by one rename, each name changes by one rename, the index is replaced last. Several images
are not one transaction: whoever looks in between sees some of them, each complete.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cvmfs_deploy.layout import Layout, checked
from cvmfs_deploy.publish import effects
from cvmfs_deploy.published import Changes
from engine.errors import Unavailable
from wrappers.containers.tree import remove


class DirectoryPublisher:
    """Publishes below a directory."""

    catalog_entries = 0
    template_share = 2.0

    def __init__(self, top: Path, layout: Layout) -> None:
        self.top = top
        self.name = str(top)
        self._layout = layout
        self.staging = top / layout.store / ".staging"
        self.lock = top / layout.store / ".lock"

    def check(self) -> None:
        """Make the directories, and remove what a run that was killed left."""
        with self._explained():
            self.staging.mkdir(parents=True, exist_ok=True)
            self.staging.chmod(0o700)
            for entry in list(os.scandir(self.staging)):
                remove(Path(entry.path))

    def publish(self, changes: Changes) -> None:
        """Rename trees, then links, then the index; then remove."""
        with self._explained():
            if changes.trees:
                effects.sync(self.staging)
            for tree in changes.trees:
                self._move(tree.staged, self.top / checked(tree.at))
            effects.put_links(self.top, changes.links, self.staging)
            effects.unlink(self.top, changes.unlinked)
            for path, data in changes.files.items():
                effects.put_file(self.top / checked(path), data)
            for path in changes.removed:
                self._discard(self.top / checked(path))

    def recover(self, force: bool) -> Sequence[str]:
        """Remove what was staged."""
        left = sorted(entry.name for entry in os.scandir(self.staging)) if self.staging.is_dir() else []
        self.check()
        return [f"removed {name}, which was never published" for name in left]

    def state(self) -> str:
        """Return no state: a directory has none."""
        return "ready" if self.top.is_dir() else "not made yet"

    def _move(self, staged: Path, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.exists():
            self._discard(to)
        os.rename(staged, to)

    def _discard(self, tree: Path) -> None:
        """Remove a tree: gone at once for whoever looks, on the disk a little later."""
        if tree.exists():
            discarded = Path(tempfile.mkdtemp(prefix="gone-", dir=self.staging))
            os.rename(tree, discarded / "tree")
            remove(discarded)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.top
            raise Unavailable(
                f"{self.name} cannot be written: {where}: {error.strerror}",
                remedy="mend it and run the same command again",
            ) from None
