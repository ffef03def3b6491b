"""The catalogue: where inputs come from, what results are known by, and their copies."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.String(26)
_ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns to executions and results, and tables for sources and copies."""
    op.add_column("execution", sa.Column("clear_at", sa.Float()))
    op.create_index("ix_execution_clear_at", "execution", ["clear_at"])
    op.add_column("product", sa.Column("adler32", sa.String(8), nullable=False, server_default=""))
    op.add_column("product", sa.Column("packed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("product", sa.Column("state", sa.String(16), nullable=False, server_default="available"))
    op.create_index("ix_product_state", "product", ["state"])
    op.create_table(
        "source",
        sa.Column("execution_id", _ID, nullable=False),
        sa.Column("value_sha256", sa.String(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("replicas", sa.Text(), nullable=False),
        sa.Column("checksums", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("packed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["execution.id"], "fk_source_execution_id_execution"),
        sa.PrimaryKeyConstraint("execution_id", "value_sha256", name="pk_source"),
    )
    op.create_table(
        "replica",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("product_id", _ROW, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], "fk_replica_product_id_product"),
        sa.PrimaryKeyConstraint("id", name="pk_replica"),
    )
    op.create_index("ix_replica_product_id", "replica", ["product_id"])
    op.create_index("ix_replica_state_not_before", "replica", ["state", "not_before"])
