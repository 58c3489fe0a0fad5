"""What the API needs beyond the jobs themselves: idempotency keys, the log of downloads, secrets shared by replicas."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE jobs ADD COLUMN idempotency_key bytea, ADD COLUMN request_digest bytea;
CREATE UNIQUE INDEX uq_jobs_idempotency_key ON jobs (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX ix_jobs_live ON jobs (user_id) WHERE status IN ('pending', 'running');
CREATE INDEX ix_jobs_queue ON jobs (created_at) WHERE status = 'pending';
CREATE TABLE downloads (
    id bigserial NOT NULL CONSTRAINT pk_downloads PRIMARY KEY,
    job_id uuid NOT NULL CONSTRAINT fk_downloads_job_id REFERENCES jobs ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    by_link boolean NOT NULL,
    first_byte bigint NOT NULL,
    byte_count bigint NOT NULL
);
CREATE INDEX ix_downloads_job_id ON downloads (job_id);
CREATE TABLE secrets (
    name text NOT NULL CONSTRAINT pk_secrets PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE downloads, secrets")
    op.execute("DROP INDEX uq_jobs_idempotency_key, ix_jobs_live, ix_jobs_queue")
    op.execute("ALTER TABLE jobs DROP COLUMN idempotency_key, DROP COLUMN request_digest")
