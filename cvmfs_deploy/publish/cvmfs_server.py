"""A CVMFS repository as a destination, by transactions of `cvmfs_server`.

Everything is made and checked before a transaction is opened, and nothing to do opens none. What was
published is believed only when the manifest is another one and the index with our mark can be read in the new
revision, or this machine is known to mount an older one; a transaction is given up only when the journal says
that it is ours.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cvmfs_deploy import log
from cvmfs_deploy.layout import Layout
from cvmfs_deploy.publish import content
from cvmfs_deploy.publish.base import ContentRefused
from cvmfs_deploy.publish.journal import Journal, JournalEntry
from cvmfs_deploy.publish.reasons import remedy
from cvmfs_deploy.publish.server import CommandResult, RepositoryServer, Revision
from cvmfs_deploy.published import Changes, PublishTree
from cvmfs_deploy.settings import DeploySettings
from engine.errors import Unavailable
from wrappers.containers.listing import TREE
from wrappers.containers.tree import remove

_POLL_INTERVAL_S = 0.5  # seconds between two looks
_CLONE_TIMEOUT_S = 15.0  # seconds until the clone of a template transaction must be seen
_CONTENT = ("is larger than", "has more than", "is not a regular file", "graft file")
"""What `cvmfs_server publish` says when it is not the repository that is at fault."""
_LEASED, _OPEN, _TEMPLATE = 16, 17, 22
_BUSY = {_LEASED: "another lease is held there", _OPEN: "another transaction is open"}
_NO_TEMPLATES = 2.0  # no image shares so much


class CvmfsPublisher:
    """Publishes into a repository whose stratum 0, or publisher, is this machine."""

    def __init__(self, settings: DeploySettings, layout: Layout) -> None:
        self.name = settings.to
        self._layout = layout
        self._wait = settings.wait
        output = settings.work / f"{settings.repository}.output"
        self._lease = settings.lease
        self._server = RepositoryServer(settings.cvmfs, settings.repository, output, self._lease)
        self._journal = Journal(settings.work / f"{settings.repository}.journal")
        self.top = self._server.mount
        self.staging = settings.work / f"{settings.repository}.staging"
        self.lock = settings.work / f"{settings.repository}.lock"
        self.catalog_entries = settings.cvmfs.catalog_entries
        self._template_share = settings.cvmfs.template_share

    @property
    def template_share(self) -> float:
        """Through a gateway a template transaction is committed at once, before it is what we want."""
        return _NO_TEMPLATES if self._server.is_gateway() else self._template_share

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
        self._catch_up()

    def publish(self, changes: Changes) -> None:
        """One transaction for all of it."""
        os.chdir("/")  # `publish` refuses while any process works below the repository
        content.check_lease(self.name, self._lease, self._layout, changes)
        before = self._server.revision()
        what = tuple([tree.at for tree in changes.trees] + list(changes.links) + list(changes.removed))[:100]
        with self._transaction(what, before) as entry:
            entry, changes = self._open(entry, changes)
            content.compare(self.name, self.top, self._layout, changes)
            content.write(self.top, self._layout, changes)
            entry = self._journal.publishing(entry)
            ended = self._server.publish(entry.token)
            self._believe(ended, changes, before, entry)
        for tree in changes.trees:
            remove(tree.staged)

    @contextmanager
    def _transaction(self, what: tuple[str, ...], before: Revision) -> Iterator[JournalEntry]:
        """Write a transaction into the journal for the block; after any error it is given up."""
        entry = self._journal.begin(JournalEntry(uuid.uuid4().hex, time.time(), before.number, what))
        try:
            yield entry
        except OSError as error:
            self._give_up(entry)
            raise Unavailable(f"{self.name}: {error.filename or self.top}: {error.strerror}") from None
        except BaseException:
            self._give_up(entry)
            raise
        self._journal.clear()

    def recover(self, force: bool) -> Sequence[str]:
        """Do what `check` does; with `force`, give up somebody else's transaction too."""
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
        self._catch_up()
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
        behind = ", which this machine does not mount yet" if self._server.is_behind() else ""
        return f"{state}, revision {self._server.revision().number}{behind}"

    def _open(self, entry: JournalEntry, changes: Changes) -> tuple[JournalEntry, Changes]:
        """Open the transaction; from a template when one is wanted and its clone can be seen."""
        plain = replace(changes, trees=tuple(replace(tree, like="") for tree in changes.trees))
        for tree in [tree for tree in changes.trees if tree.like][:1]:
            ended = self._begin((tree.like, tree.at), entry.token)
            if ended.code != _TEMPLATE:
                entry = self._opened(ended, entry)
                if self._until(lambda: self._is_cloned(tree), _CLONE_TIMEOUT_S):  # noqa: B023 - used at once
                    return entry, changes
                ended = CommandResult(0, "its clone cannot be seen, since somebody reads there")
                self._abort(entry.token)
            log.warning("published without a template", image=tree.at, reason=ended.said)
        return self._opened(self._begin(None, entry.token), entry), plain

    def _begin(self, template: tuple[str, str] | None, token: str) -> CommandResult:
        """Open a transaction; a lease that somebody else holds is waited for."""
        deadline = time.monotonic() + self._wait
        while True:
            ended = self._server.transaction(template, token)
            if ended.code != _LEASED or time.monotonic() >= deadline:
                return ended
            time.sleep(_POLL_INTERVAL_S)

    def _opened(self, ended: CommandResult, entry: JournalEntry) -> JournalEntry:
        if ended.code in _BUSY:
            self._journal.clear()
            raise Unavailable(f"{self.name}: {_BUSY[ended.code]}", remedy="try again later")
        if ended.code:
            raise Unavailable(
                f"{self.name}: no transaction can be opened: {ended.said}", remedy=remedy(ended.said)
            )
        return self._journal.opened(entry, self._server.identity())

    def _is_cloned(self, tree: PublishTree) -> bool:
        """Say whether the clone of a template can be seen; `cvmfs_server` says nothing of it."""
        if not (
            self._server.branch / tree.at / TREE
        ).exists():  # the union would remember that it is not there
            return False
        return (self.top / tree.at / TREE).exists()

    def _catch_up(self) -> None:
        """Bring this machine's mount to the published revision: through a gateway only a transaction does."""
        if not self._server.is_gateway() or not self._server.is_behind():
            return
        with self._transaction(
            ("nothing: the mount is a revision behind",), self._server.revision()
        ) as entry:
            entry = self._opened(self._begin(None, entry.token), entry)
            self._abort(entry.token)

    def _believe(self, ended: CommandResult, changes: Changes, before: Revision, entry: JournalEntry) -> None:
        """Find out what really was published: by the manifest, then by our mark in what is mounted.

        Raises:
            Unavailable: not what we put in. ContentRefused: because of what it is.
        """
        if self._server.is_open() and self._server.identity() == entry.identity:
            after = self._server.revision()
            self._abort(entry.token)  # it keeps what was published before a mount failed
            if after == before:
                kind = ContentRefused if any(phrase in ended.said for phrase in _CONTENT) else Unavailable
                raise kind(
                    f"{self.name}: nothing was published: {ended.said} (exit code {ended.code})",
                    remedy=remedy(ended.said),
                )
        missing = self._missing(changes, before)
        if missing:
            raise Unavailable(
                f"{self.name}: cvmfs_server publish ended with exit code {ended.code}, and {missing} is not "
                f"in the published revision: {ended.said}",
                remedy="see cvmfs-deploy status; with a gateway, the lease must cover the setting `root`",
            )
        if ended.code:
            log.warning("published, but cvmfs_server had trouble afterwards", said=ended.said)

    def _missing(self, changes: Changes, before: Revision) -> str:
        """Find a file of ours that is not in the published revision; "" when the revision is ours."""
        after = self._server.revision()
        if after.number > before.number and after.root != before.root and self._server.is_behind():
            self._journal.clear()
            try:
                self._catch_up()
            except Unavailable as error:
                log.warning("published; this machine mounts an older revision", reason=error.message)
            if self._server.is_behind():
                return ""
        return content.missing(self.top, changes)

    def _give_up(self, entry: JournalEntry) -> None:
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

    def _is_ours(self, entry: JournalEntry) -> bool:
        """Say whether the open transaction is the one of this entry."""
        if not self._server.is_open() or self._server.is_publishing():
            return False
        if entry.step == "opening":  # it was killed before it could write down which one
            return self._server.opened_after(entry.started) and self._server.is_untouched()
        return self._server.identity() == entry.identity

    def _abort(self, token: str) -> None:
        ended = self._server.abort(token)
        if ended.code and self._server.is_open():
            raise Unavailable(
                f"{self.name}: the transaction cannot be given up: {ended.said}", remedy=remedy(ended.said)
            )

    def _until(self, true: Callable[[], bool], wait: float | None = None) -> bool:
        deadline = time.monotonic() + (self._wait if wait is None else wait)
        while not true():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_INTERVAL_S)
        return True
