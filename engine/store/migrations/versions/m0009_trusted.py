"""Which pipelines may run where a tool is not kept apart from the engine."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add a column; no pipeline is trusted yet."""
    op.add_column("pipeline", sa.Column("trusted", sa.Boolean(), nullable=False, server_default=sa.false()))
