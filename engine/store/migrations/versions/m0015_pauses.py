"""Back-ends that are paused; what waits for its turn is told from what its user has paused."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the table. Until now only a launch that waited for its turn was paused."""
    op.create_table(
        "backend_pause",
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("backend", name="pk_backend_pause"),
    )
    op.execute(sa.text("UPDATE execution SET intent = 'wait' WHERE intent = 'pause'"))
