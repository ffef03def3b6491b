"""Who says that an account is in a group, and when an identity provider last did."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add columns."""
    op.add_column("membership", sa.Column("issuer", sa.String(255), nullable=False, server_default=""))
    op.add_column("account", sa.Column("groups_told_at", sa.Float(), nullable=False, server_default="0"))
