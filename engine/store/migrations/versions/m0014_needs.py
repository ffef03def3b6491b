"""Which jobs each job waits for, how many of them must succeed, and where tools wrote their results."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_NEEDS = """
    INSERT INTO need (source_job, job)
    SELECT s.id, j.id FROM job j JOIN job s ON s.execution_id = j.execution_id AND s.pending = 0
    WHERE j.pending > 0 AND j.state IN ('blocked', 'skipped', 'cancelled')
"""
_WAITS = """
    UPDATE job SET step = 1, waits = (SELECT count(*) FROM need WHERE need.job = job.id) WHERE pending > 0
"""
_PENDING = """
    UPDATE job SET pending = (
        SELECT count(*) FROM need JOIN job s ON s.id = need.source_job
        WHERE need.job = job.id AND s.state IN ('blocked', 'ready', 'active')
    ) WHERE pending > 0
"""


def upgrade() -> None:
    """Add columns, indexes and the table. Jobs that waited for all jobs before them do so by rows now."""
    for name in ("waits", "missing", "step"):
        op.add_column("job", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("need", sa.String(16), nullable=False, server_default="all"))
    op.add_column("job", sa.Column("point", sa.Text(), nullable=False, server_default=""))
    op.add_column("product", sa.Column("path", sa.Text(), nullable=False, server_default=""))
    row = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "need",
        sa.Column("source_job", row, nullable=False),
        sa.Column("job", row, nullable=False),
        sa.Column("missing", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["source_job"], ["job.id"], name="fk_need_source_job_job"),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name="fk_need_job_job"),
        sa.PrimaryKeyConstraint("source_job", "job", name="pk_need"),
    )
    op.create_index("ix_need_job", "need", ["job"])
    for name, where in (("released", "state = 'blocked' AND pending = 0"), ("missing", "missing > 0")):
        condition = sa.text(where)
        op.create_index(
            f"ix_job_{name}", "job", ["execution_id"], sqlite_where=condition, postgresql_where=condition
        )
    for statement in (_NEEDS, _WAITS, _PENDING):
        op.execute(sa.text(statement))
