"""Launches counted apart from attempts, turns of users, events that could not be read, and an audit trail that stays.

``turn`` says when an export is launched: users take turns, by what they have asked for and begun. ``launches`` counts
hand-outs, ``attempt`` claims, ``losses`` those of them that ended by no passing cause. The audit trail names who made a
change, and cannot be changed.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE jobs
    ADD COLUMN launches bigint NOT NULL DEFAULT 0,
    ADD COLUMN losses bigint NOT NULL DEFAULT 0,
    ADD COLUMN turn bigint NOT NULL DEFAULT 0,
    ADD COLUMN failing_since timestamptz;
UPDATE jobs SET turn = waiting.turn
    FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY created_at, id) - 1 AS turn
          FROM jobs WHERE status = 'pending') AS waiting
    WHERE jobs.id = waiting.id;
DROP INDEX ix_jobs_pending, ix_jobs_queue;
CREATE INDEX ix_jobs_queue ON jobs (turn, created_at, id) WHERE status = 'pending';
CREATE INDEX ix_jobs_begun ON jobs (turn) WHERE started_at IS NOT NULL;
CREATE INDEX ix_jobs_turns ON jobs (user_id, turn) WHERE started_at IS NOT NULL OR status = 'pending';
CREATE TABLE skipped_events (
    position bigint NOT NULL CONSTRAINT pk_skipped_events PRIMARY KEY,
    reason text NOT NULL,
    tries bigint NOT NULL DEFAULT 1,
    since timestamptz NOT NULL DEFAULT now(),
    try_after timestamptz NOT NULL
);
CREATE INDEX ix_skipped_events_try_after ON skipped_events (try_after);
ALTER TABLE job_events ADD COLUMN actor_id text;
"""

TELL = """
CREATE OR REPLACE FUNCTION jobs_tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END;
    actor text := coalesce(
        nullif(current_setting('analytics_exports.actor', true), ''), current_setting('application_name'));
    actor_id text := coalesce(
        nullif(current_setting('analytics_exports.actor_id', true), ''),
        CASE WHEN actor IN ('worker', 'dagster') THEN NEW.dagster_run_id END);
BEGIN
    IF before IS DISTINCT FROM NEW.status THEN
        INSERT INTO job_events (job_id, actor, actor_id, from_status, to_status, attempt, reason)
        VALUES (NEW.id, actor, actor_id, before, NEW.status, NEW.attempt, NEW.error_code);
        PERFORM pg_notify('exports_changed', NEW.id::text);
        IF NEW.status = 'pending' THEN
            PERFORM pg_notify('exports_pending', '');
        END IF;
    END IF;
    RETURN NULL;
END $$;
"""

STAYS = """
CREATE FUNCTION job_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail cannot be changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER stay BEFORE UPDATE OR DELETE OR TRUNCATE ON job_events
    FOR EACH STATEMENT EXECUTE FUNCTION job_events_stay();
"""

DOWN = """
DROP TRIGGER stay ON job_events;
DROP FUNCTION job_events_stay;
CREATE OR REPLACE FUNCTION jobs_tell() RETURNS trigger LANGUAGE plpgsql AS $$
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
ALTER TABLE job_events DROP COLUMN actor_id;
DROP TABLE skipped_events;
DROP INDEX ix_jobs_queue, ix_jobs_begun, ix_jobs_turns;
ALTER TABLE jobs DROP COLUMN launches, DROP COLUMN losses, DROP COLUMN turn, DROP COLUMN failing_since;
CREATE INDEX ix_jobs_pending ON jobs (launch_after) WHERE status = 'pending';
CREATE INDEX ix_jobs_queue ON jobs (created_at) WHERE status = 'pending';
"""


def upgrade() -> None:
    op.execute(UP)
    op.execute(TELL)
    op.execute(STAYS)


def downgrade() -> None:
    op.execute(DOWN)
