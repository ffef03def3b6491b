"""What the engine writes of an execution (logs, provenance, the directories where attempts write) lies in the
directory of its results, which may be a user's own. Users read it; only the results are theirs to change. On
a storage that cannot rename these lie where they were written, among what other attempts left.
"""

from __future__ import annotations

import re

from engine.app.access.tokens import Segments
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.tree import FileTree, kept_in
from engine.app.portal.virtual import is_record
from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.reconcile import layout
from engine.store import executions, products
from engine.store.database import Database

_ID = re.compile(r"[0-9A-Z]{26}")
_NUMBER = re.compile(r"[0-9]{1,18}")  # what a database takes
_RESULTS = "outputs"


class Records:
    """Knows the directories of all executions, wherever they lie."""

    def __init__(self, db: Database, tree: FileTree) -> None:
        self._db = db
        self._tree = tree

    def check_writable(self, stored: Segments) -> None:
        """Return if users may write, or remove, what lies there. The directory of an execution may go whole.

        Raises:
            Refused: it is a record of an execution.
        """
        inside = any(
            _ID.fullmatch(name)
            and stored[at] != _RESULTS
            and self._holds(name, stored[:at])
            and not self._is_result(ExecutionId(name), stored, stored[at:])
            for at, name in enumerate(stored[:-1], start=1)
        )
        if inside or is_record(stored):
            raise CarminError(
                Code.DATA_NOT_ALLOWED,
                "logs and records of an execution are written by the platform alone",
                remedy="an execution can be deleted as a whole",
            )

    def _holds(self, id_: str, stored: Segments) -> bool:
        """Say whether this is the directory of the execution."""
        try:
            with self._db.read() as connection:
                found = executions.get(connection, ExecutionId(id_))
        except NotFound:
            return False
        return stored in kept_in(self._tree, found)

    def _is_result(self, id_: ExecutionId, stored: Segments, below: Segments) -> bool:
        """Say whether it is, or lies in, a result that stays where its attempt wrote it."""
        if below[0] != layout.JOBS or len(below) < 3 or not _NUMBER.fullmatch(below[1]):
            return False
        with self._db.read() as connection:
            found = products.of_job(connection, id_, int(below[1]))
        paths = [self._tree.path_of(one.url) for one in found]
        return any(path and stored[: len(path)] == path for path in paths)
