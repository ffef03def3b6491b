"""A CVMFS repository as the place of publication, by transactions of `cvmfs_server`.

Everything is made and checked before a transaction is opened, and nothing to do opens none. What was
published is believed only when the index with our mark can be read in the new revision; a transaction is
given up only when the journal says that it is ours.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cvmfs_deploy import log
from cvmfs_deploy.catalogs import MARKER
from cvmfs_deploy.create import RECORD, TREE, read_tree
from cvmfs_deploy.layout import Layout, checked
from cvmfs_deploy.listing import Entry as File
from cvmfs_deploy.publish import effects
from cvmfs_deploy.publish.base import ContentRefused
from cvmfs_deploy.publish.journal import Entry, Journal
from cvmfs_deploy.publish.server import Ended, Server
from cvmfs_deploy.published import Changes, Tree
from cvmfs_deploy.settings import Settings
from engine.errors import Unavailable
from wrappers.containers.tree import remove

_PAUSE = 0.5  # seconds between two looks
_CONTENT = ("is larger than", "has more than", "is not a regular file", "graft file")
"""What `cvmfs_server publish` says when it is not the repository that is at fault."""
_BUSY = {16: "another lease is held there", 17: "another transaction is open"}


class CvmfsPublisher:
    """Publishes into a repository whose stratum 0, or publisher, is this machine."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self.name = settings.to
        self._layout = layout
        self._wait = settings.wait
        output = settings.work / f"{settings.repository}.output"
        self._server = Server(settings.cvmfs, settings.repository, output)
        self._journal = Journal(settings.work / f"{settings.repository}.journal")
        self.top = self._server.mount
        self.staging = settings.work / f"{settings.repository}.staging"
        self.lock = settings.work / f"{settings.repository}.lock"
        self.catalog_entries = settings.cvmfs.catalog_entries
        self.template_share = settings.cvmfs.template_share

    def check(self) -> None:
        """Undo what a run of ours left; then wait for others, who are never disturbed."""
        self._server.check()
        self._undo()
        self.staging.mkdir(parents=True, exist_ok=True)
        for entry in list(os.scandir(self.staging)):
            remove(Path(entry.path))
        if not self._until(lambda: not self._server.is_open()):
            raise Unavailable(
                f"{self.name}: somebody else has a transaction open",
                remedy="wait for its end; if it was left behind, cvmfs-deploy recover --force gives it up",
            )

    def publish(self, changes: Changes) -> None:
        """One transaction for all of it."""
        os.chdir("/")  # `publish` refuses while any process works below the repository
        before = self._server.revision()
        what = tuple([tree.at for tree in changes.trees] + list(changes.links) + list(changes.removed))[:100]
        entry = Entry(uuid.uuid4().hex, time.time(), before.number, what)
        entry = self._journal.begin(entry)
        try:
            entry = self._open(entry, changes)
            self._write(changes)
            entry = self._journal.publishing(entry)
            ended = self._server.publish(entry.token)
            self._believe(ended, changes, before.number, entry)
        except OSError as error:
            self._give_up(entry)
            raise Unavailable(f"{self.name}: {error.filename or self.top}: {error.strerror}") from None
        except BaseException:
            self._give_up(entry)
            raise
        self._journal.clear()
        for tree in changes.trees:
            remove(tree.staged)

    def recover(self, force: bool) -> Sequence[str]:
        """What `check` does; with `force` somebody else's transaction is given up too."""
        self._server.check()
        done = self._undo()
        if self._server.is_open() and not force:
            raise Unavailable(
                f"{self.name}: a transaction is open, and nothing says that it is ours",
                remedy="finish it, or give it up, with all that it holds, by cvmfs-deploy recover --force",
            )
        if self._server.is_open():
            if self._server.is_publishing():
                raise Unavailable(f"{self.name}: somebody is publishing at this moment", remedy="wait")
            self._abort(uuid.uuid4().hex)
            done.append("gave up a transaction that was not ours")
        if self.staging.is_dir():
            for item in list(os.scandir(self.staging)):
                remove(Path(item.path))
                done.append(f"removed {item.name}, which was never published")
        return done

    def state(self) -> str:
        """Transaction, and revision."""
        self._server.check()
        entry = self._journal.read()
        if self._server.is_publishing():
            state = "publishing"
        elif self._server.is_open():
            ours = entry is not None and self._is_ours(entry)
            state = "in a transaction of ours: run recover" if ours else "in a transaction of somebody else"
        else:
            state = "ready"
        return f"{state}, revision {self._server.revision().number}"

    def _open(self, entry: Entry, changes: Changes) -> Entry:
        likes = [(tree.like, tree.at) for tree in changes.trees if tree.like]
        ended = self._server.transaction(likes[0] if likes else None, entry.token)
        if ended.code in _BUSY:
            self._journal.clear()
            raise Unavailable(f"{self.name}: {_BUSY[ended.code]}", remedy="try again later")
        if ended.code:
            raise Unavailable(
                f"{self.name}: no transaction can be opened: {ended.said}", remedy=_remedy(ended.said)
            )
        return self._journal.opened(entry, self._server.identity())

    def _write(self, changes: Changes) -> None:
        """Everything into the open transaction."""
        store = self.top / self._layout.store
        store.mkdir(parents=True, exist_ok=True)
        marker = self.top / self._layout.root / MARKER
        if not marker.exists():
            marker.touch()
        for tree in changes.trees:
            self._copy(tree)
        if changes.links:
            effects.put_links(self.top, changes.links, store)
        effects.unlink(self.top, changes.unlinked)
        for path in changes.removed:
            remove(self.top / checked(path))
        for path, data in changes.files.items():
            effects.put_file(self.top / checked(path), data)

    def _copy(self, tree: Tree) -> None:
        target = self.top / checked(tree.at)
        there: Mapping[bytes, File] = {}
        if tree.like:
            there = read_tree(target)
        elif target.exists():
            remove(target)
        effects.copy_tree(tree.staged, target, read_tree(tree.staged), there)
        for name in (RECORD, TREE):
            if (tree.staged / name).exists():
                effects.put_file(target / name, (tree.staged / name).read_bytes())

    def _believe(self, ended: Ended, changes: Changes, before: int, entry: Entry) -> None:
        """Find out what really was published.

        Raises:
            Unavailable: not what we put in. ContentRefused: because of what it is.
        """
        if self._server.is_open() and self._server.identity() == entry.identity:
            after = self._server.revision().number
            self._abort(entry.token)  # it keeps what was published before a mount failed
            if after == before:
                kind = ContentRefused if any(word in ended.said for word in _CONTENT) else Unavailable
                raise kind(
                    f"{self.name}: nothing was published: {ended.said} (exit code {ended.code})",
                    remedy=_remedy(ended.said),
                )
            log.warning("published, but cvmfs_server had trouble afterwards", said=ended.said)
        for path, data in changes.files.items():
            if not _holds(self.top / path, data):
                raise Unavailable(
                    f"{self.name}: cvmfs_server publish ended with exit code {ended.code}, and {path} is not "
                    f"in the published revision: {ended.said}",
                    remedy="see cvmfs-deploy status; with a gateway, the lease must cover the setting `root`",
                )

    def _give_up(self, entry: Entry) -> None:
        """After a failure: the repository as it was."""
        if self._journal.read() is None:
            return
        self._server.end(entry.token)
        if self._is_ours(self._journal.read() or entry):
            self._abort(entry.token)
        self._journal.clear()

    def _undo(self) -> list[str]:
        """End the transaction of a run that was killed, if it is still open."""
        entry = self._journal.read()
        if entry is None:
            return []
        if not self._until(lambda: not self._server.at_work(entry.token)):
            raise Unavailable(
                f"{self.name}: a cvmfs_server command of an earlier run is still at work",
                remedy="wait for its end",
            )
        done = []
        if self._is_ours(entry):
            self._abort(entry.token)
            done.append(f"gave up the transaction of process {entry.process}: {', '.join(entry.what[:5])}")
            log.warning("gave up the transaction of a run that was killed", process=entry.process)
        self._journal.clear()
        return done

    def _is_ours(self, entry: Entry) -> bool:
        """Whether the open transaction is the one of this entry."""
        if not self._server.is_open() or self._server.is_publishing():
            return False
        if entry.step == "opening":  # it was killed before it could write down which one
            return self._server.opened_after(entry.started) and self._server.is_untouched()
        return self._server.identity() == entry.identity

    def _abort(self, token: str) -> None:
        ended = self._server.abort(token)
        if ended.code and self._server.is_open():
            raise Unavailable(
                f"{self.name}: the transaction cannot be given up: {ended.said}", remedy=_remedy(ended.said)
            )

    def _until(self, true: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self._wait
        while not true():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        return True


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _remedy(said: str) -> str:
    if "whitelist" in said:
        return "see to the web server, or type cvmfs_server resign"
    if "ermission" in said:
        return "run as the owner of the repository"
    if "file descriptors" in said or "working directory" in said.lower():
        return "end the programs that work below the repository"
    if "code: 28" in said or "No space" in said:
        return "make room on the stratum 0; the next run goes on"
    return "mend it and run the same command again"
