"""The first schema that is taken over; it makes nothing: new databases come from `engine.store.schema`."""

revision = "0007"
down_revision = None


def upgrade() -> None:
    """Change nothing."""
