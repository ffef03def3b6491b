"""Sites of a grid, and where submissions ran."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a table for sites and a column to submissions."""
    op.add_column("submission", sa.Column("site", sa.String(255), nullable=False, server_default=""))
    op.create_table(
        "site",
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("in_a_row", sa.Integer(), nullable=False),
        sa.Column("rest_until", sa.Float(), nullable=False),
        sa.Column("failure", sa.String(16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("runtimes", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("backend", "name", name="pk_site"),
    )
