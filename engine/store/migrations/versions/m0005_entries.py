"""Files under logical names."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "entry",
        sa.Column("name_sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("checksums", sa.Text(), nullable=False),
        sa.Column("replicas", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name_sha256", name="pk_entry"),
    )
    op.create_index("ix_entry_name", "entry", ["name"])
