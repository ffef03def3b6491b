"""A secret of each account for its sessions, when all that it had was revoked, from which address an
execution was launched; the signature of the audit trail's head, and a line where the signed part begins.
"""

import hashlib
import json
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add columns and an index, give each account a secret, and end the unsigned part of the trail."""
    op.add_column("account", sa.Column("session_secret", sa.String(64), nullable=False, server_default=""))
    op.add_column("account", sa.Column("revoked_at", sa.Float(), nullable=False, server_default="0"))
    op.add_column("launch", sa.Column("address", sa.String(64), nullable=False, server_default=""))
    op.add_column("audit_head", sa.Column("signature", sa.String(128), nullable=False, server_default=""))
    op.create_index("ix_submission_native_id", "submission", ["native_id"])
    connection = op.get_bind()
    for (id_,) in connection.execute(sa.text("SELECT id FROM account")).all():
        connection.execute(
            sa.text("UPDATE account SET session_secret = :secret WHERE id = :id"),
            {"secret": secrets.token_hex(32), "id": id_},
        )
    _end_the_unsigned_part(connection)


def _end_the_unsigned_part(connection: sa.Connection) -> None:
    query = "SELECT h.number, h.sha256, a.at FROM audit_head h JOIN audit a ON a.number = h.number"
    last = connection.execute(sa.text(query)).first()
    if last is None:
        return
    number, action, status = last.number + 1, "audit.migrate", "heads are signed"
    fields = [number, repr(last.at), "", action, status, "", "", "", []]  # as engine.store.audit.digest
    text = last.sha256 + json.dumps(fields, separators=(",", ":"), ensure_ascii=True)
    values = {
        "number": number,
        "at": last.at,
        "action": action,
        "status": status,
        "sha256": hashlib.sha256(text.encode("ascii")).hexdigest(),
    }
    insert = "INSERT INTO audit (number, at, account_id, action, status, sha256) VALUES "
    connection.execute(sa.text(insert + "(:number, :at, '', :action, :status, :sha256)"), values)
    connection.execute(sa.text("UPDATE audit_head SET number = :number, sha256 = :sha256"), values)
