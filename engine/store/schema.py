"""The tables. A new database is made from them; a test proves that `migrations/` make the same of an old one.

Times are seconds since 1970-01-01 UTC. States are the words of `engine.domain`. JSON is kept as text:
nothing is ever searched inside it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(26)
# SQLite numbers rows by itself only for INTEGER; PostgreSQL wants 64 bits said.
_ROW = BigInteger().with_variant(Integer, "sqlite")


def _key(column: str, target: str) -> ForeignKey:
    """Refer to a table under the name that migrations gave."""
    return ForeignKey(target, name=f"fk_{column}_{target.partition('.')[0]}")


descriptor = Table(
    "descriptor",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("text", Text, nullable=False),  # canonical JSON
    Column("checked_by", String(64), nullable=False),  # validator and version that accepted it
    Column("created_at", Float, nullable=False),
)

execution = Table(
    "execution",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("key", String(255), unique=True),  # the user's: submitting twice with one key is submitting once
    Column("descriptor_sha256", String(64), ForeignKey("descriptor.sha256"), nullable=False),
    Column("options", Text, nullable=False),  # JSON of engine.domain.options.Options
    Column("backend", String(64), nullable=False),
    Column("results", Text, nullable=False),  # URL of the directory of its results
    Column("state", String(16), nullable=False),
    Column("intent", String(16), nullable=False),
    Column("jobs", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("clear_at", Float),  # when what its attempts left is to be removed; NULL: nothing is left
    Index("ix_execution_state_id", "state", "id"),
    Index("ix_execution_owner_id", "owner", "id"),
    Index("ix_execution_clear_at", "clear_at"),
)

tally = Table(
    "tally",  # jobs of an execution by state, kept in the same commit as the jobs themselves
    metadata,
    Column("execution_id", _ID, ForeignKey("execution.id"), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("jobs", Integer, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("execution_id", _ID, ForeignKey("execution.id"), nullable=False),
    Column("number", Integer, nullable=False),  # from 1; the place of its point in the sweep
    Column("state", String(16), nullable=False),
    Column("pending", Integer, nullable=False, default=0),  # jobs it still waits for: counted down
    Column("waits", Integer, nullable=False, server_default="0"),  # jobs it had to wait for
    Column("missing", Integer, nullable=False, server_default="0"),  # of these, without which it was released
    Column("need", String(16), nullable=False, server_default="all"),  # engine.domain.need
    Column("step", Integer, nullable=False, server_default="0"),  # from 0: those of BIDS are its levels
    Column("point", Text, nullable=False, server_default=""),  # JSON of the places on its axes, or ""
    Column("not_before", Float, nullable=False, default=0.0),
    Column("invocation", Text, nullable=False),  # JSON, File values made absolute
    Column("parameters", Text, nullable=False),  # JSON of what tells this point from the others
    Column(
        "names", Text, nullable=False, server_default=""
    ),  # JSON of the fields that name its results, or ""
    Column("attempts", Integer, nullable=False, default=0),
    Column("forgiven", Integer, nullable=False, server_default="0"),  # attempts before the user's last retry
    Column("failure", String(16), nullable=False, default=""),
    Column("message", Text, nullable=False, default=""),
    Column("exit_code", Integer),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("execution_id", "number"),
    Index("ix_job_execution_id_state_number", "execution_id", "state", "number"),
)
Index(
    "ix_job_released",  # those that wait for nothing any more, until somebody sees it
    job.c.execution_id,
    sqlite_where=sa.text("state = 'blocked' AND pending = 0"),
    postgresql_where=sa.text("state = 'blocked' AND pending = 0"),
)
Index(
    "ix_job_missing",
    job.c.execution_id,
    sqlite_where=sa.text("missing > 0"),
    postgresql_where=sa.text("missing > 0"),
)

need = Table(
    "need",  # a job reads the results of another, or only comes after it
    metadata,
    Column("source_job", _ROW, _key("need_source_job", "job.id"), primary_key=True),
    Column("job", _ROW, _key("need_job", "job.id"), primary_key=True),
    Column("missing", Boolean, nullable=False, server_default=false()),  # it had not succeeded at the release
    Index("ix_need_job", "job"),
)

submission = Table(
    "submission",  # one job of a back-end, holding one or more attempts
    metadata,
    Column("id", _ID, primary_key=True),  # the key that the back-end carries
    Column("execution_id", _ID, ForeignKey("execution.id"), nullable=False),
    Column("backend", String(64), nullable=False),
    Column("native_id", String(255)),
    Column("live", Boolean, nullable=False),  # until all its attempts are final
    Column("detail", Text, nullable=False, default=""),  # the back-end's own last message
    Column("unknown_since", Float),  # first time that the back-end did not know it
    Column("site", String(255), nullable=False, server_default=""),  # of a grid, once that is settled
    Column("created_at", Float, nullable=False),
    Index("ix_submission_backend_live", "backend", "live"),
    Index("ix_submission_execution_id", "execution_id"),
    Index("ix_submission_native_id", "native_id"),
)

site = Table(
    "site",  # of a grid, as the attempts of all executions found it
    metadata,
    Column("backend", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),  # with a failure that may be the site's fault
    Column("in_a_row", Integer, nullable=False),  # such failures since the last success
    Column("rest_until", Float, nullable=False),
    Column("failure", String(16), nullable=False),  # the class of the last one
    Column("message", Text, nullable=False),
    Column("runtimes", Text, nullable=False),  # JSON: container runtime -> how often it worked
    Column("seen_at", Float, nullable=False),
    Column("rests", Integer, nullable=False, server_default="0"),  # one after the other, without a recovery
    Column("recent", Text, nullable=False, server_default="[]"),  # JSON: [when, user, image, cause]
)

trouble = Table(
    "trouble",  # why a back-end is left in peace at the moment
    metadata,
    Column("backend", String(64), primary_key=True),
    Column("words", Text, nullable=False),
    Column("since", Float, nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("job_id", _ROW, ForeignKey("job.id"), nullable=False),
    Column("submission_id", _ID, ForeignKey("submission.id"), nullable=False),
    Column("ordinal", Integer, nullable=False),  # 1 for the first try of its job
    Column("state", String(16), nullable=False),
    Column("manifest_sha256", String(64), nullable=False, default=""),
    Column("failure", String(16), nullable=False, default=""),
    Column("report", Text),  # JSON of wrappers.wire.Report, once verified
    Column("quarantined", Boolean, nullable=False, default=False),
    Column("version", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("job_id", "ordinal"),
    Index("ix_attempt_submission_id", "submission_id"),
)

outbox = Table(
    "outbox",  # what must still be done in the outside world
    metadata,
    Column("submission_id", _ID, ForeignKey("submission.id"), primary_key=True),
    Column("effect", String(16), primary_key=True),
    Column("not_before", Float, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Index("ix_outbox_effect_not_before", "effect", "not_before"),
)

event = Table(
    "event",  # the history: appended in the same commit as what it tells, never changed
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("execution_id", _ID, nullable=False),
    Column("job_id", _ROW),
    Column("attempt_id", _ID),
    Column("at", Float, nullable=False),
    Column("news", String(32), nullable=False),
    Column("state_from", String(16), nullable=False, default=""),
    Column("state_to", String(16), nullable=False, default=""),
    Column("detail", Text, nullable=False, default=""),
    Index("ix_event_execution_id_id", "execution_id", "id"),
    Index("ix_event_job_id_id", "job_id", "id"),
)

product = Table(
    "product",  # a committed result; exists only once its attempt has succeeded
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("execution_id", _ID, ForeignKey("execution.id"), nullable=False),
    Column("job_id", _ROW, ForeignKey("job.id"), nullable=False),
    Column("attempt_id", _ID, ForeignKey("attempt.id"), nullable=False),
    Column("output_id", String(255), nullable=False),
    Column("name", Text, nullable=False),  # path below the results of the execution
    Column("url", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("directory", Boolean, nullable=False, default=False),
    Column("adler32", String(8), nullable=False, server_default=""),
    Column("packed", Boolean, nullable=False, server_default=false()),  # a tar of the directory
    Column("state", String(16), nullable=False, server_default="available"),  # engine.domain.product
    Column("path", Text, nullable=False, server_default=""),  # as the tool wrote it; "": of an older engine
    UniqueConstraint("execution_id", "name"),  # no result ever overwrites another
    Index("ix_product_job_id", "job_id"),
    Index("ix_product_state", "state"),
)

replica = Table(
    "replica",  # a further copy of a result: wanted, or there
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("product_id", _ROW, _key("replica_product_id", "product.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("state", String(16), nullable=False),  # engine.domain.product
    Column("tries", Integer, nullable=False, default=0),
    Column("not_before", Float, nullable=False, default=0.0),
    Column("detail", Text, nullable=False, default=""),  # why the last try failed
    Index("ix_replica_product_id", "product_id"),
    Index("ix_replica_state_not_before", "state", "not_before"),
)

source = Table(
    "source",  # a File value of an execution that is not simply a path of the machine where its jobs run
    metadata,
    Column(
        "execution_id",
        _ID,
        _key("source_execution_id", "execution.id"),
        primary_key=True,
    ),
    Column("value_sha256", String(64), primary_key=True),
    Column("value", Text, nullable=False),  # as invocations give it
    Column("url", Text, nullable=False),  # where jobs find it; "" until it was brought there
    Column("replicas", Text, nullable=False),  # JSON list of further URLs
    Column("checksums", Text, nullable=False),  # JSON, algorithm -> hexadecimal
    Column("size", BigInteger),
    Column("packed", Boolean, nullable=False, default=False),  # a tar of a directory
)

entry = Table(
    "entry",  # a file under a logical name, as it was imported
    metadata,
    Column("name_sha256", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger),
    Column("checksums", Text, nullable=False),  # JSON, algorithm -> hexadecimal
    Column("replicas", Text, nullable=False),  # JSON list of URLs, the preferred one first
    Index("ix_entry_name", "name"),
)

account = Table(
    "account",  # a user of the portal; locked, never removed: its id stands in executions and the audit trail
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("locked", Boolean, nullable=False, server_default=false()),
    Column(
        "password", Text, nullable=False, server_default=""
    ),  # scrypt, see engine.app.portal.passwords; "": none
    Column("issuer", String(255), nullable=False, server_default=""),  # of OpenID Connect
    Column("subject", String(255), nullable=False, server_default=""),  # its name for this user; "": local
    Column(
        "session_secret", String(64), nullable=False, server_default=""
    ),  # what sessions are signed with too
    Column(
        "revoked_at", Float, nullable=False, server_default="0"
    ),  # claims of attempts made before are void
    Column(
        "groups_told_at", Float, nullable=False, server_default="0"
    ),  # `iat` of the token that last said which groups it is in
    Column("running", Integer),  # quotas; NULL: those of the settings
    Column("waiting", Integer),
    Column("jobs", Integer),
    Column("bytes", BigInteger),
    Column("created_at", Float, nullable=False),
    Index("ix_account_issuer_subject", "issuer", "subject"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("sha256", String(64), primary_key=True),  # the key itself is kept by nobody
    Column("account_id", _ID, ForeignKey("account.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("account_id", "name"),
)

user_group = Table(
    "user_group",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)

membership = Table(
    "membership",
    metadata,
    Column("account_id", _ID, ForeignKey("account.id"), primary_key=True),
    Column("group_id", _ID, ForeignKey("user_group.id"), primary_key=True),
    Column("issuer", String(255), nullable=False, server_default=""),  # who says so; "": an administrator
)

pipeline = Table(
    "pipeline",
    metadata,
    Column("identifier", String(255), primary_key=True),  # name/version
    Column("descriptor_sha256", String(64), ForeignKey("descriptor.sha256"), nullable=False),
    Column("hidden", Boolean, nullable=False, server_default=false()),  # withdrawn, but executions know it
    Column("created_at", Float, nullable=False),
    Column("trusted", Boolean, nullable=False, server_default=false()),  # may run beside the engine
)

pipeline_group = Table(
    "pipeline_group",  # who may use a pipeline; none: everybody
    metadata,
    Column("identifier", String(255), ForeignKey("pipeline.identifier"), primary_key=True),
    Column("group_id", _ID, ForeignKey("user_group.id"), primary_key=True),
)

proposal = Table(
    "proposal",  # a pipeline that a user wishes to have published
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account_id", _ID, _key("proposal_account_id", "account.id"), nullable=False),
    Column("identifier", String(255), nullable=False),  # name/version
    Column(
        "descriptor_sha256",
        String(64),
        _key("proposal_descriptor_sha256", "descriptor.sha256"),
        nullable=False,
    ),
    Column("note", Text, nullable=False),  # the user's words
    Column("state", String(16), nullable=False),  # engine.store.proposals
    Column("answer", Text, nullable=False),  # why it was refused, or what it was published as
    Column("created_at", Float, nullable=False),
    Column("decided_at", Float),
    Index("ix_proposal_account_id_state", "account_id", "state"),
)

launch = Table(
    "launch",  # what the portal knows of an execution that was started through it
    metadata,
    Column("execution_id", _ID, ForeignKey("execution.id"), primary_key=True),
    Column("account_id", _ID, ForeignKey("account.id"), nullable=False),
    Column("pipeline", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("inputs", Text, nullable=False),  # JSON, as they were asked for
    Column("location", Text, nullable=False),  # where results were wanted, as it was asked for
    Column("study", String(255), nullable=False, server_default=""),
    Column("address", String(64), nullable=False, server_default=""),  # of the client that asked for it
    Column("waiting", Boolean, nullable=False, server_default=false()),  # for its turn
    Column("told", Boolean, nullable=False, server_default=false()),  # its end is in the audit trail
    Column("hidden", Boolean, nullable=False, server_default=false()),  # its user has deleted it
    Column("keep_until", Float),  # `engine purge` removes it after that; NULL: it has not ended, or for ever
    Index("ix_launch_account_id_execution_id", "account_id", "execution_id"),
    Index("ix_launch_waiting", "waiting"),
    Index("ix_launch_told", "told"),
)

usage = Table(
    "usage",  # sums of what the attempts of purged executions took, see engine.domain.usage
    metadata,
    Column("month", String(7), primary_key=True),  # YYYY-MM, UTC
    Column("account_id", _ID, primary_key=True),  # "": not of the portal
    Column("user", String(255), primary_key=True),
    Column("pipeline", String(255), primary_key=True),
    Column("site", String(255), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("core_hours", Float, nullable=False),
    Column("gpu_hours", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
audit = Table(
    "audit",  # who did what, append-only: each line's hash covers the line before it
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("account_id", _ID, nullable=False),  # "": nobody who is known
    Column("action", String(32), nullable=False),
    Column("status", String(32), nullable=False),
    Column("execution_id", _ID, nullable=False, server_default=""),
    Column("pipeline", String(255), nullable=False, server_default=""),
    Column("descriptor_sha256", String(64), nullable=False, server_default=""),
    Column("data", Text, nullable=False, server_default="[]"),  # JSON list of keyed hashes of logical names
    Column("sha256", String(64), nullable=False),
)

audit_head = Table(
    "audit_head",  # one row: how long the trail is, and the hash of its last line
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("signature", String(128), nullable=False, server_default=""),  # "": of an older engine
)

backend_pause = Table(
    "backend_pause",  # back-ends to which nothing new is submitted
    metadata,
    Column("backend", String(64), primary_key=True),
    Column("since", Float, nullable=False),
)

lease = Table(
    "lease",  # who may write events and perform effects
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("fence", BigInteger, nullable=False),  # raised each time the lease changes hands
    Column("until", Float, nullable=False),
)
