"""Fields that name results, and the attempts that a user's retry forgives."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add two columns to jobs."""
    op.add_column("job", sa.Column("names", sa.Text(), nullable=False, server_default=""))
    op.add_column("job", sa.Column("forgiven", sa.Integer(), nullable=False, server_default="0"))
