"""How the last attempts ended at each site, and for which user and image."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add two columns."""
    op.add_column("site", sa.Column("rests", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("site", sa.Column("recent", sa.Text(), nullable=False, server_default="[]"))
