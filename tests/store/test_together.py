"""Rows that come in one step are the rows that come one by one, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.store.database import Database
from engine.store.json_rows import JsonRows
from engine.store.schema import execution, job
from tests.store.samples import an_execution

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
numbers = st.integers(-(2**63), 2**63 - 1)
times = st.floats(0, 1e11)  # seconds since 1970
_VALUES = sa.select(
    sa.cast(sa.bindparam("text"), sa.Text).label("text"),
    sa.cast(sa.bindparam("number"), sa.BigInteger).label("number"),
    sa.cast(sa.bindparam("time"), sa.Float(53)).label("time"),
    sa.cast(sa.bindparam("truth"), sa.Boolean).label("truth"),
)
_JOBS = (
    sa.select(job.c.number, job.c.state, job.c.exit_code, job.c.updated_at, execution.c.ended_at)
    .join(execution, execution.c.id == job.c.execution_id)
    .where(job.c.execution_id == sa.bindparam("id"))
    .order_by(job.c.number.desc())
    .limit(sa.bindparam("most"))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.none() | texts, st.none() | numbers, st.none() | times, st.none() | st.booleans())
def test_every_value_comes_back_exactly(
    db: Database, text: str | None, number: int | None, time: float | None, truth: bool | None
) -> None:
    with db.read() as connection:
        [row] = JsonRows(_VALUES).rows(
            connection, {"text": text, "number": number, "time": time, "truth": truth}
        )
    assert (row.text, row.number, row.time) == (text, number, time)
    assert row.truth is truth  # 1 == True


def test_what_would_come_back_as_something_else_is_no_column() -> None:
    with pytest.raises(TypeError, match="does not go through JSON"):
        JsonRows(sa.select(sa.literal(b"bytes").label("content")))


def test_rows_come_in_the_order_of_the_query_and_no_more_of_them_than_it_wants(db: Database) -> None:
    id_ = an_execution(db, 30).id
    with db.read() as connection:
        rows = JsonRows(_JOBS).rows(connection, {"id": id_, "most": 20})
        assert [row.number for row in rows] == list(range(30, 10, -1))
        assert [tuple(row) for row in rows] == connection.execute(_JOBS, {"id": id_, "most": 20}).all()
        assert JsonRows(_JOBS).rows(connection, {"id": "nobody's", "most": 20}) == []
