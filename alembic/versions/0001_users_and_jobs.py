"""Users, tokens, accounts, tags and jobs, with the rules that no code path may forget.

The trigger on ``jobs`` refuses every transition that is not an edge of the state machine, keeps identity columns as
they are, writes the audit trail, and wakes whoever waits: ``exports_pending`` for sensors, ``exports_changed`` (its
payload is the job id) for requests. Dagster's tables go to a schema of their own, because it has a table named ``jobs``
too.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE users (
    id uuid NOT NULL CONSTRAINT pk_users PRIMARY KEY,
    label text NOT NULL,
    owner_key text NOT NULL CONSTRAINT uq_users_owner_key UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);
CREATE TABLE api_tokens (
    id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT pk_api_tokens PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT fk_api_tokens_user_id REFERENCES users ON DELETE CASCADE,
    name text NOT NULL,
    digest bytea NOT NULL CONSTRAINT uq_api_tokens_digest UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX ix_api_tokens_user_id ON api_tokens (user_id);
CREATE TABLE accounts (
    user_id uuid NOT NULL CONSTRAINT fk_accounts_user_id REFERENCES users ON DELETE CASCADE,
    id text NOT NULL,
    name text NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (user_id, id)
);
CREATE TABLE tags (
    user_id uuid NOT NULL CONSTRAINT fk_tags_user_id REFERENCES users ON DELETE CASCADE,
    id text NOT NULL,
    name text NOT NULL,
    CONSTRAINT pk_tags PRIMARY KEY (user_id, id)
);
CREATE TABLE jobs (
    id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT pk_jobs PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT fk_jobs_user_id REFERENCES users,
    owner_key text NOT NULL,
    job_type text NOT NULL DEFAULT 'export' CONSTRAINT ck_jobs_job_type CHECK (job_type = 'export'),
    status text NOT NULL DEFAULT 'pending' CONSTRAINT ck_jobs_status
        CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled', 'expired')),
    entity_type text NOT NULL DEFAULT 'dataset' CONSTRAINT ck_jobs_entity_type CHECK (entity_type = 'dataset'),
    entity_id uuid NOT NULL,
    metadata jsonb NOT NULL,
    dagster_run_id text,
    error_code text,
    error_message text,
    retryable boolean,
    attempt bigint NOT NULL DEFAULT 0,
    launch_after timestamptz NOT NULL DEFAULT now(),
    worker_token text,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    file_removed_at timestamptz,
    CONSTRAINT ck_jobs_ended
        CHECK ((status IN ('completed', 'failed', 'cancelled', 'expired')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_jobs_file CHECK (status NOT IN ('completed', 'expired')
        OR (expires_at IS NOT NULL AND metadata ?& ARRAY['output_path', 'row_count', 'sha256'])),
    CONSTRAINT ck_jobs_lease CHECK (status <> 'running' OR (worker_token IS NOT NULL AND lease_until IS NOT NULL))
);
CREATE INDEX ix_jobs_pending ON jobs (launch_after) WHERE status = 'pending';
CREATE INDEX ix_jobs_leases ON jobs (lease_until) WHERE status = 'running';
CREATE INDEX ix_jobs_runs ON jobs (dagster_run_id) WHERE status = 'running';
CREATE INDEX ix_jobs_expiry ON jobs (expires_at) WHERE status = 'completed';
CREATE INDEX ix_jobs_files ON jobs (id) WHERE status = 'expired' AND file_removed_at IS NULL;
CREATE INDEX ix_jobs_history ON jobs (user_id, created_at DESC, id DESC);
CREATE TABLE job_events (
    id bigserial NOT NULL CONSTRAINT pk_job_events PRIMARY KEY,
    job_id uuid NOT NULL CONSTRAINT fk_job_events_job_id REFERENCES jobs ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    from_status text,
    to_status text NOT NULL,
    attempt bigint NOT NULL,
    reason text
);
CREATE INDEX ix_job_events_job_id ON job_events (job_id);
CREATE TABLE cursors (
    name text NOT NULL CONSTRAINT pk_cursors PRIMARY KEY,
    position bigint NOT NULL
);
"""

RULES = """
CREATE FUNCTION jobs_keep_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.user_id, NEW.owner_key, NEW.entity_id, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.owner_key, OLD.entity_id, OLD.created_at) THEN
        RAISE EXCEPTION 'the identity of a job does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status <> OLD.status AND OLD.status || '>' || NEW.status NOT IN (
        'pending>running', 'pending>cancelled', 'pending>failed',
        'running>pending', 'running>completed', 'running>failed', 'running>cancelled', 'completed>expired') THEN
        RAISE EXCEPTION 'no job goes from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE FUNCTION jobs_tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END;
    actor text := coalesce(
        nullif(current_setting('analytics_exports.actor', true), ''), current_setting('application_name'));
BEGIN
    IF before IS DISTINCT FROM NEW.status THEN
        INSERT INTO job_events (job_id, actor, from_status, to_status, attempt, reason)
        VALUES (NEW.id, actor, before, NEW.status, NEW.attempt, NEW.error_code);
        PERFORM pg_notify('exports_changed', NEW.id::text);
        IF NEW.status = 'pending' THEN
            PERFORM pg_notify('exports_pending', '');
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER keep_rules BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_keep_rules();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OF status ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_tell();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(RULES)
    op.execute("CREATE SCHEMA IF NOT EXISTS dagster")


def downgrade() -> None:
    """The schema ``dagster`` stays: it holds another program's data."""
    op.execute("DROP TABLE cursors, job_events, jobs, tags, accounts, api_tokens, users")
    op.execute("DROP FUNCTION jobs_tell, jobs_keep_rules")
