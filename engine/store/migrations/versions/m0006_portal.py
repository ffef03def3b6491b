"""Accounts, groups and pipelines of a portal; what it knows of executions; the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add tables."""
    _users()
    _pipelines()
    _launches()
    _audit()


def _users() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("password", sa.Text(), nullable=False, server_default=""),
        sa.Column("issuer", sa.String(255), nullable=False, server_default=""),
        sa.Column("subject", sa.String(255), nullable=False, server_default=""),
        sa.Column("running", sa.Integer()),
        sa.Column("waiting", sa.Integer()),
        sa.Column("jobs", sa.Integer()),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    op.create_index("ix_account_issuer_subject", "account", ["issuer", "subject"])
    op.create_table(
        "api_key",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_api_key"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_api_key_account_id"),
        sa.UniqueConstraint("account_id", "name", name="uq_api_key_account_id_name"),
    )
    op.create_table(
        "user_group",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_group"),
        sa.UniqueConstraint("name", name="uq_user_group_name"),
    )
    op.create_table(
        "membership",
        sa.Column("account_id", sa.String(26), nullable=False),
        sa.Column("group_id", sa.String(26), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "group_id", name="pk_membership"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_membership_account_id"),
        sa.ForeignKeyConstraint(["group_id"], ["user_group.id"], name="fk_membership_group_id"),
    )


def _pipelines() -> None:
    op.create_table(
        "pipeline",
        sa.Column("identifier", sa.String(255), nullable=False),
        sa.Column("descriptor_sha256", sa.String(64), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name="pk_pipeline"),
        sa.ForeignKeyConstraint(
            ["descriptor_sha256"], ["descriptor.sha256"], name="fk_pipeline_descriptor_sha256"
        ),
    )
    op.create_table(
        "pipeline_group",
        sa.Column("identifier", sa.String(255), nullable=False),
        sa.Column("group_id", sa.String(26), nullable=False),
        sa.PrimaryKeyConstraint("identifier", "group_id", name="pk_pipeline_group"),
        sa.ForeignKeyConstraint(["identifier"], ["pipeline.identifier"], name="fk_pipeline_group_identifier"),
        sa.ForeignKeyConstraint(["group_id"], ["user_group.id"], name="fk_pipeline_group_group_id"),
    )


def _launches() -> None:
    op.create_table(
        "launch",
        sa.Column("execution_id", sa.String(26), nullable=False),
        sa.Column("account_id", sa.String(26), nullable=False),
        sa.Column("pipeline", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("study", sa.String(255), nullable=False, server_default=""),
        sa.Column("waiting", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("keep_until", sa.Float()),
        sa.PrimaryKeyConstraint("execution_id", name="pk_launch"),
        sa.ForeignKeyConstraint(["execution_id"], ["execution.id"], name="fk_launch_execution_id"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_launch_account_id"),
    )
    op.create_index("ix_launch_account_id_execution_id", "launch", ["account_id", "execution_id"])
    op.create_index("ix_launch_waiting", "launch", ["waiting"])
    op.create_index("ix_launch_told", "launch", ["told"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("account_id", sa.String(26), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("execution_id", sa.String(26), nullable=False, server_default=""),
        sa.Column("pipeline", sa.String(255), nullable=False, server_default=""),
        sa.Column("descriptor_sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("data", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
