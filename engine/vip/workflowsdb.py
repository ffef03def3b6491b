"""The portal's database of executions, `workflowsdb`: what it expects its engine to write there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from engine.errors import SettingsError, Unavailable
from engine.extras import remedy_for
from engine.vip.columns import clip, local_time, storable

metadata = sa.MetaData()
workflows = sa.Table(
    "Workflows",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("status", sa.String(255)),
    sa.Column("finish_time", sa.DateTime),
)
processors = sa.Table(
    "Processors",
    metadata,
    sa.Column("workflow_id", sa.String(255), primary_key=True),
    sa.Column("processor", sa.String(255), primary_key=True),
    sa.Column("completed", sa.Integer),
    sa.Column("queued", sa.Integer),
    sa.Column("failed", sa.Integer),
)
inputs = sa.Table(
    "Inputs",
    metadata,
    sa.Column("workflow_id", sa.String(255), primary_key=True),
    sa.Column("path", sa.String(255), primary_key=True),
    sa.Column("processor", sa.String(255), primary_key=True),
    sa.Column("type", sa.String(255)),
)
outputs = sa.Table(
    "Outputs",
    metadata,
    sa.Column("workflow_id", sa.String(255), primary_key=True),
    sa.Column("path", sa.String(400), primary_key=True),
    sa.Column("processor", sa.String(255), primary_key=True),
    sa.Column("type", sa.String(255)),
    sa.Column("port", sa.String(255)),
)
OUTCOMES = ("completed", "cancelled", "failed_app", "failed_in", "failed_out", "failed_sta")
TIMES = ("wt", "et", "it", "ot")
stats = sa.Table(
    "Stats",
    metadata,
    sa.Column("workflow_id", sa.String(255), primary_key=True),
    *(sa.Column(name, sa.Integer) for name in OUTCOMES),
    *(sa.Column(f"{name}_{time}", sa.BigInteger) for name in OUTCOMES for time in TIMES),
)

CLEANED = "Cleaned"
"""The state of an execution whose results and files the portal has removed."""
_OURS = ("Running", "Queued", "Unknown", "Completed", "Failed", "Killed")
"""States that may be written over."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """The portal's record of an execution."""

    status: str
    finished: bool


class WorkflowsDb:
    """The database. Rows are written so that writing them again changes nothing."""

    def __init__(self, url: str, timeout: float) -> None:
        try:
            timeouts = {f"{what}_timeout": max(int(timeout), 1) for what in ("connect", "read", "write")}
            self._engine = sa.create_engine(
                url, pool_pre_ping=True, pool_size=1, connect_args={"charset": "utf8mb4", **timeouts}
            )
        except (ArgumentError, ImportError) as error:
            raise SettingsError(
                f"setting vip.database: {type(error).__name__}", remedy=remedy_for("pymysql")
            ) from None
        self._fits: dict[tuple[str, str], tuple[int, str]] | None = None

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def check(self) -> None:
        """Return if the tables are there.

        Raises:
            Unavailable: the server does not answer, or it has no such tables.
        """
        with self._begun() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(stats))

    def workflow(self, id_: str) -> Workflow | None:
        """Give what the portal has written of an execution; None: nothing yet, or not any more."""
        with self._begun() as connection:
            row = connection.execute(sa.select(workflows).where(workflows.c.id == id_)).first()
        return Workflow(row.status or "", row.finish_time is not None) if row else None

    def progress(self, id_: str, name: str, *, completed: int, queued: int, failed: int) -> None:
        """Write how many jobs of an execution are where."""
        row = {
            "workflow_id": id_,
            "processor": name,
            "completed": completed,
            "queued": queued,
            "failed": failed,
        }
        self._put(processors, [row])

    def put_inputs(self, id_: str, values: Iterable[tuple[str, str, bool]]) -> None:
        """Write inputs: name, value, and whether it is a file."""
        self._put(
            inputs,
            [
                {
                    "workflow_id": id_,
                    "path": value,
                    "processor": name,
                    "type": "URI" if is_file else "String",
                }
                for name, value, is_file in values
            ],
        )

    def put_outputs(self, id_: str, results: Iterable[tuple[str, str]]) -> None:
        """Write results: the output and the path of each."""
        self._put(
            outputs,
            [
                {"workflow_id": id_, "path": path, "processor": name, "type": "URI", "port": name}
                for name, path in results
            ],
        )

    def put_stats(self, id_: str, sums: Mapping[str, int]) -> None:
        """Write sums of its ended jobs."""
        names = [column.name for column in stats.c if column.name != "workflow_id"]
        self._put(stats, [{"workflow_id": id_, **{name: sums.get(name, 0) for name in names}}])

    def put_end(self, id_: str, status: str, ended_at: float | None) -> None:
        """Write that an execution has ended, or that it runs again (`ended_at` is None)."""
        allowed = _OURS if ended_at is not None else ("Completed", "Failed", "Killed")
        when = None if ended_at is None else local_time(ended_at)
        with self._begun() as connection:
            statement = sa.update(workflows).where(workflows.c.id == id_, workflows.c.status.in_(allowed))
            connection.execute(statement.values(status=status, finish_time=when))

    def _put(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        keys = [column.name for column in table.primary_key]
        with self._begun() as connection:
            fits = self._fitting(connection)
            fitted = [{name: _fit(fits, table, name, value) for name, value in row.items()} for row in rows]
            statement = insert(table)
            rest = {name: statement.inserted[name] for name in fitted[0] if name not in keys}
            connection.execute(statement.on_duplicate_key_update(rest), fitted)

    def _fitting(self, connection: Connection) -> dict[tuple[str, str], tuple[int, str]]:
        """Length and character set of each column, as they are there."""
        if self._fits is None:
            columns = sa.text(
                "SELECT table_name, column_name, character_maximum_length, character_set_name "
                "FROM information_schema.columns "
                "WHERE table_schema = DATABASE() AND character_maximum_length IS NOT NULL"
            )
            self._fits = {
                (table.lower(), name.lower()): (int(length), charset)
                for table, name, length, charset in connection.execute(columns)
            }
        return self._fits

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            self._fits = None
            reason = getattr(error, "orig", None) or error
            words = " ".join(str(part) for part in reason.args[-1:]) or type(reason).__name__
            raise Unavailable(f"workflowsdb: {words[:300]}") from None


def _fit(fits: Mapping[tuple[str, str], tuple[int, str]], table: sa.Table, name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    length, charset = fits.get((table.name.lower(), name.lower()), (255, "utf8mb4"))
    return clip(storable(clip(value, 1 << 20), charset), length)
