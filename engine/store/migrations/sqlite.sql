CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE descriptor (
	sha256 VARCHAR(64) NOT NULL,
	text TEXT NOT NULL,
	checked_by VARCHAR(64) NOT NULL,
	created_at FLOAT NOT NULL,
	CONSTRAINT pk_descriptor PRIMARY KEY (sha256)
);
CREATE TABLE event (
	id INTEGER NOT NULL,
	execution_id VARCHAR(26) NOT NULL,
	job_id INTEGER,
	attempt_id VARCHAR(26),
	at FLOAT NOT NULL,
	news VARCHAR(32) NOT NULL,
	state_from VARCHAR(16) NOT NULL,
	state_to VARCHAR(16) NOT NULL,
	detail TEXT NOT NULL,
	CONSTRAINT pk_event PRIMARY KEY (id)
);
CREATE INDEX ix_event_execution_id_id ON event (execution_id, id);
CREATE INDEX ix_event_job_id_id ON event (job_id, id);
CREATE TABLE lease (
	name VARCHAR(64) NOT NULL,
	holder VARCHAR(255) NOT NULL,
	fence BIGINT NOT NULL,
	until FLOAT NOT NULL,
	CONSTRAINT pk_lease PRIMARY KEY (name)
);
CREATE TABLE execution (
	id VARCHAR(26) NOT NULL,
	owner VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	"key" VARCHAR(255),
	descriptor_sha256 VARCHAR(64) NOT NULL,
	options TEXT NOT NULL,
	backend VARCHAR(64) NOT NULL,
	results TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	intent VARCHAR(16) NOT NULL,
	jobs INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	ended_at FLOAT, clear_at FLOAT,
	CONSTRAINT pk_execution PRIMARY KEY (id),
	CONSTRAINT fk_execution_descriptor_sha256 FOREIGN KEY(descriptor_sha256) REFERENCES descriptor (sha256),
	CONSTRAINT uq_execution_key UNIQUE ("key")
);
CREATE INDEX ix_execution_owner_id ON execution (owner, id);
CREATE INDEX ix_execution_state_id ON execution (state, id);
CREATE TABLE job (
	id INTEGER NOT NULL,
	execution_id VARCHAR(26) NOT NULL,
	number INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	pending INTEGER NOT NULL,
	not_before FLOAT NOT NULL,
	invocation TEXT NOT NULL,
	parameters TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	failure VARCHAR(16) NOT NULL,
	message TEXT NOT NULL,
	exit_code INTEGER,
	updated_at FLOAT NOT NULL, names TEXT DEFAULT '' NOT NULL, forgiven INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT pk_job PRIMARY KEY (id),
	CONSTRAINT fk_job_execution_id FOREIGN KEY(execution_id) REFERENCES execution (id),
	CONSTRAINT uq_job_execution_id_number UNIQUE (execution_id, number)
);
CREATE INDEX ix_job_execution_id_state_number ON job (execution_id, state, number);
CREATE TABLE submission (
	id VARCHAR(26) NOT NULL,
	execution_id VARCHAR(26) NOT NULL,
	backend VARCHAR(64) NOT NULL,
	native_id VARCHAR(255),
	live BOOLEAN NOT NULL,
	detail TEXT NOT NULL,
	unknown_since FLOAT,
	created_at FLOAT NOT NULL, site VARCHAR(255) DEFAULT '' NOT NULL,
	CONSTRAINT pk_submission PRIMARY KEY (id),
	CONSTRAINT fk_submission_execution_id FOREIGN KEY(execution_id) REFERENCES execution (id)
);
CREATE INDEX ix_submission_backend_live ON submission (backend, live);
CREATE INDEX ix_submission_execution_id ON submission (execution_id);
CREATE TABLE tally (
	execution_id VARCHAR(26) NOT NULL,
	state VARCHAR(16) NOT NULL,
	jobs INTEGER NOT NULL,
	CONSTRAINT pk_tally PRIMARY KEY (execution_id, state),
	CONSTRAINT fk_tally_execution_id FOREIGN KEY(execution_id) REFERENCES execution (id)
);
CREATE TABLE attempt (
	id VARCHAR(26) NOT NULL,
	job_id INTEGER NOT NULL,
	submission_id VARCHAR(26) NOT NULL,
	ordinal INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	manifest_sha256 VARCHAR(64) NOT NULL,
	failure VARCHAR(16) NOT NULL,
	report TEXT,
	quarantined BOOLEAN NOT NULL,
	version INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	CONSTRAINT pk_attempt PRIMARY KEY (id),
	CONSTRAINT fk_attempt_job_id FOREIGN KEY(job_id) REFERENCES job (id),
	CONSTRAINT fk_attempt_submission_id FOREIGN KEY(submission_id) REFERENCES submission (id),
	CONSTRAINT uq_attempt_job_id_ordinal UNIQUE (job_id, ordinal)
);
CREATE INDEX ix_attempt_submission_id ON attempt (submission_id);
CREATE TABLE outbox (
	submission_id VARCHAR(26) NOT NULL,
	effect VARCHAR(16) NOT NULL,
	not_before FLOAT NOT NULL,
	tries INTEGER NOT NULL,
	CONSTRAINT pk_outbox PRIMARY KEY (submission_id, effect),
	CONSTRAINT fk_outbox_submission_id FOREIGN KEY(submission_id) REFERENCES submission (id)
);
CREATE INDEX ix_outbox_effect_not_before ON outbox (effect, not_before);
CREATE TABLE product (
	id INTEGER NOT NULL,
	execution_id VARCHAR(26) NOT NULL,
	job_id INTEGER NOT NULL,
	attempt_id VARCHAR(26) NOT NULL,
	output_id VARCHAR(255) NOT NULL,
	name TEXT NOT NULL,
	url TEXT NOT NULL,
	size BIGINT NOT NULL,
	sha256 VARCHAR(64) NOT NULL,
	directory BOOLEAN NOT NULL, adler32 VARCHAR(8) DEFAULT '' NOT NULL, packed BOOLEAN DEFAULT 0 NOT NULL, state VARCHAR(16) DEFAULT 'available' NOT NULL,
	CONSTRAINT pk_product PRIMARY KEY (id),
	CONSTRAINT fk_product_attempt_id FOREIGN KEY(attempt_id) REFERENCES attempt (id),
	CONSTRAINT fk_product_execution_id FOREIGN KEY(execution_id) REFERENCES execution (id),
	CONSTRAINT fk_product_job_id FOREIGN KEY(job_id) REFERENCES job (id),
	CONSTRAINT uq_product_execution_id_name UNIQUE (execution_id, name)
);
CREATE INDEX ix_product_job_id ON product (job_id);
CREATE INDEX ix_execution_clear_at ON execution (clear_at);
CREATE INDEX ix_product_state ON product (state);
CREATE TABLE source (
	execution_id VARCHAR(26) NOT NULL,
	value_sha256 VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	url TEXT NOT NULL,
	replicas TEXT NOT NULL,
	checksums TEXT NOT NULL,
	size BIGINT,
	packed BOOLEAN NOT NULL,
	CONSTRAINT pk_source PRIMARY KEY (execution_id, value_sha256),
	CONSTRAINT fk_source_execution_id_execution FOREIGN KEY(execution_id) REFERENCES execution (id)
);
CREATE TABLE replica (
	id INTEGER NOT NULL,
	product_id INTEGER NOT NULL,
	url TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	tries INTEGER NOT NULL,
	not_before FLOAT NOT NULL,
	detail TEXT NOT NULL,
	CONSTRAINT pk_replica PRIMARY KEY (id),
	CONSTRAINT fk_replica_product_id_product FOREIGN KEY(product_id) REFERENCES product (id)
);
CREATE INDEX ix_replica_product_id ON replica (product_id);
CREATE INDEX ix_replica_state_not_before ON replica (state, not_before);
CREATE TABLE site (
	backend VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	succeeded INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	in_a_row INTEGER NOT NULL,
	rest_until FLOAT NOT NULL,
	failure VARCHAR(16) NOT NULL,
	message TEXT NOT NULL,
	runtimes TEXT NOT NULL,
	seen_at FLOAT NOT NULL, rests INTEGER DEFAULT '0' NOT NULL, recent TEXT DEFAULT '[]' NOT NULL,
	CONSTRAINT pk_site PRIMARY KEY (backend, name)
);
CREATE TABLE entry (
	name_sha256 VARCHAR(64) NOT NULL,
	name TEXT NOT NULL,
	size BIGINT,
	checksums TEXT NOT NULL,
	replicas TEXT NOT NULL,
	CONSTRAINT pk_entry PRIMARY KEY (name_sha256)
);
CREATE INDEX ix_entry_name ON entry (name);
CREATE TABLE account (
	id VARCHAR(26) NOT NULL,
	name VARCHAR(255) NOT NULL,
	role VARCHAR(16) NOT NULL,
	locked BOOLEAN DEFAULT 0 NOT NULL,
	password TEXT DEFAULT '' NOT NULL,
	issuer VARCHAR(255) DEFAULT '' NOT NULL,
	subject VARCHAR(255) DEFAULT '' NOT NULL,
	running INTEGER,
	waiting INTEGER,
	jobs INTEGER,
	bytes BIGINT,
	created_at FLOAT NOT NULL, session_secret VARCHAR(64) DEFAULT '' NOT NULL, revoked_at FLOAT DEFAULT '0' NOT NULL, groups_told_at FLOAT DEFAULT '0' NOT NULL,
	CONSTRAINT pk_account PRIMARY KEY (id),
	CONSTRAINT uq_account_name UNIQUE (name)
);
CREATE INDEX ix_account_issuer_subject ON account (issuer, subject);
CREATE TABLE api_key (
	sha256 VARCHAR(64) NOT NULL,
	account_id VARCHAR(26) NOT NULL,
	name VARCHAR(255) NOT NULL,
	created_at FLOAT NOT NULL,
	CONSTRAINT pk_api_key PRIMARY KEY (sha256),
	CONSTRAINT fk_api_key_account_id FOREIGN KEY(account_id) REFERENCES account (id),
	CONSTRAINT uq_api_key_account_id_name UNIQUE (account_id, name)
);
CREATE TABLE user_group (
	id VARCHAR(26) NOT NULL,
	name VARCHAR(255) NOT NULL,
	created_at FLOAT NOT NULL,
	CONSTRAINT pk_user_group PRIMARY KEY (id),
	CONSTRAINT uq_user_group_name UNIQUE (name)
);
CREATE TABLE membership (
	account_id VARCHAR(26) NOT NULL,
	group_id VARCHAR(26) NOT NULL, issuer VARCHAR(255) DEFAULT '' NOT NULL,
	CONSTRAINT pk_membership PRIMARY KEY (account_id, group_id),
	CONSTRAINT fk_membership_account_id FOREIGN KEY(account_id) REFERENCES account (id),
	CONSTRAINT fk_membership_group_id FOREIGN KEY(group_id) REFERENCES user_group (id)
);
CREATE TABLE pipeline (
	identifier VARCHAR(255) NOT NULL,
	descriptor_sha256 VARCHAR(64) NOT NULL,
	hidden BOOLEAN DEFAULT 0 NOT NULL,
	created_at FLOAT NOT NULL, trusted BOOLEAN DEFAULT 0 NOT NULL,
	CONSTRAINT pk_pipeline PRIMARY KEY (identifier),
	CONSTRAINT fk_pipeline_descriptor_sha256 FOREIGN KEY(descriptor_sha256) REFERENCES descriptor (sha256)
);
CREATE TABLE pipeline_group (
	identifier VARCHAR(255) NOT NULL,
	group_id VARCHAR(26) NOT NULL,
	CONSTRAINT pk_pipeline_group PRIMARY KEY (identifier, group_id),
	CONSTRAINT fk_pipeline_group_identifier FOREIGN KEY(identifier) REFERENCES pipeline (identifier),
	CONSTRAINT fk_pipeline_group_group_id FOREIGN KEY(group_id) REFERENCES user_group (id)
);
CREATE TABLE launch (
	execution_id VARCHAR(26) NOT NULL,
	account_id VARCHAR(26) NOT NULL,
	pipeline VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	inputs TEXT NOT NULL,
	location TEXT NOT NULL,
	study VARCHAR(255) DEFAULT '' NOT NULL,
	waiting BOOLEAN DEFAULT 0 NOT NULL,
	told BOOLEAN DEFAULT 0 NOT NULL,
	hidden BOOLEAN DEFAULT 0 NOT NULL,
	keep_until FLOAT, address VARCHAR(64) DEFAULT '' NOT NULL,
	CONSTRAINT pk_launch PRIMARY KEY (execution_id),
	CONSTRAINT fk_launch_execution_id FOREIGN KEY(execution_id) REFERENCES execution (id),
	CONSTRAINT fk_launch_account_id FOREIGN KEY(account_id) REFERENCES account (id)
);
CREATE INDEX ix_launch_account_id_execution_id ON launch (account_id, execution_id);
CREATE INDEX ix_launch_waiting ON launch (waiting);
CREATE INDEX ix_launch_told ON launch (told);
CREATE TABLE audit (
	number BIGINT NOT NULL,
	at FLOAT NOT NULL,
	account_id VARCHAR(26) NOT NULL,
	action VARCHAR(32) NOT NULL,
	status VARCHAR(32) NOT NULL,
	execution_id VARCHAR(26) DEFAULT '' NOT NULL,
	pipeline VARCHAR(255) DEFAULT '' NOT NULL,
	descriptor_sha256 VARCHAR(64) DEFAULT '' NOT NULL,
	data TEXT DEFAULT '[]' NOT NULL,
	sha256 VARCHAR(64) NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY (number)
);
CREATE TABLE audit_head (
	id INTEGER NOT NULL,
	number BIGINT NOT NULL,
	sha256 VARCHAR(64) NOT NULL, signature VARCHAR(128) DEFAULT '' NOT NULL,
	CONSTRAINT pk_audit_head PRIMARY KEY (id)
);
CREATE TABLE trouble (
	backend VARCHAR(64) NOT NULL,
	words TEXT NOT NULL,
	since FLOAT NOT NULL,
	CONSTRAINT pk_trouble PRIMARY KEY (backend)
);
CREATE INDEX ix_submission_native_id ON submission (native_id);
CREATE TABLE usage (
	month VARCHAR(7) NOT NULL,
	account_id VARCHAR(26) NOT NULL,
	user VARCHAR(255) NOT NULL,
	pipeline VARCHAR(255) NOT NULL,
	site VARCHAR(255) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	jobs INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	core_hours FLOAT NOT NULL,
	gpu_hours FLOAT NOT NULL,
	bytes BIGINT NOT NULL,
	CONSTRAINT pk_usage PRIMARY KEY (month, account_id, user, pipeline, site, outcome)
);
CREATE TABLE proposal (
	id VARCHAR(26) NOT NULL,
	account_id VARCHAR(26) NOT NULL,
	identifier VARCHAR(255) NOT NULL,
	descriptor_sha256 VARCHAR(64) NOT NULL,
	note TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	answer TEXT NOT NULL,
	created_at FLOAT NOT NULL,
	decided_at FLOAT,
	CONSTRAINT pk_proposal PRIMARY KEY (id),
	CONSTRAINT fk_proposal_account_id_account FOREIGN KEY(account_id) REFERENCES account (id),
	CONSTRAINT fk_proposal_descriptor_sha256_descriptor FOREIGN KEY(descriptor_sha256) REFERENCES descriptor (sha256)
);
CREATE INDEX ix_proposal_account_id_state ON proposal (account_id, state);
INSERT INTO "alembic_version" VALUES('0013');
