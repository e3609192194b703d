-- The pipeline's own record: the reports asked for, the object that holds each day,
-- what staging holds of each day, and every load of a day into the mart.
-- It is the only state; everything in mart follows from it and the objects' bytes.
--
-- The schema etl is there already: the record of migrations lies in it.

COMMENT ON TABLE etl.alembic_version IS
'The newest migration that was applied; written by etl-assets migrate.';
COMMENT ON COLUMN etl.alembic_version.version_num IS
'The name of its file in sql/migrations, without the ending.';

CREATE FUNCTION etl.date_id(day date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (day - date '1970-01-01') * 86400::bigint;

COMMENT ON FUNCTION etl.date_id(date) IS
'The key of a day in mart.d_calendar: the epoch second of its midnight UTC.';

CREATE FUNCTION etl.monday(day date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day - (extract(ISODOW FROM day)::integer - 1);

COMMENT ON FUNCTION etl.monday(date) IS
'The Monday of a day''s week: the period_id of the retention tables.';

CREATE FUNCTION etl.month(day date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day - (extract(DAY FROM day)::integer - 1);

COMMENT ON FUNCTION etl.month(date) IS
'The first day of a day''s month.';

CREATE TABLE etl.report (
    task_id text PRIMARY KEY,
    report_id text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    start_day date,
    end_day date,
    paths jsonb,
    CHECK (
        (ready_at IS NULL)
        OR (report_id IS NOT NULL AND start_day <= end_day AND paths IS NOT NULL)
    )
);

COMMENT ON TABLE etl.report IS
'One row a report asked of the API. The task is stored before it is polled, so that a restart '
'goes on polling it.';
COMMENT ON COLUMN etl.report.task_id IS 'The API''s name for the request.';
COMMENT ON COLUMN etl.report.report_id IS 'The API''s name for the report; null until it is ready.';
COMMENT ON COLUMN etl.report.requested_at IS 'When the report was asked for.';
COMMENT ON COLUMN etl.report.ready_at IS 'When the API was seen to have it ready.';
COMMENT ON COLUMN etl.report.start_day IS 'The first day that the report covers.';
COMMENT ON COLUMN etl.report.end_day IS 'The last day that the report covers.';
COMMENT ON COLUMN etl.report.paths IS 'The addresses of the report''s files, by their name.';

CREATE TABLE etl.raw_file (
    partition_day date PRIMARY KEY,
    uri text NOT NULL,
    etag text NOT NULL,
    size bigint NOT NULL,
    report_id text NOT NULL,
    increment_id text,
    found_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE etl.raw_file IS
'The S3 object that holds a day''s orders, as it was when last looked for where the day was taken '
'from before.';
COMMENT ON COLUMN etl.raw_file.partition_day IS 'The day.';
COMMENT ON COLUMN etl.raw_file.uri IS 'The object''s address, s3://bucket/key.';
COMMENT ON COLUMN etl.raw_file.etag IS 'The object''s ETag: its version at this address.';
COMMENT ON COLUMN etl.raw_file.size IS 'The object''s size in bytes.';
COMMENT ON COLUMN etl.raw_file.report_id IS 'The report that it belongs to.';
COMMENT ON COLUMN etl.raw_file.increment_id IS 'The increment that it is; null for a report.';
COMMENT ON COLUMN etl.raw_file.found_at IS 'When it was looked for.';

CREATE TABLE etl.rewrite (
    partition_day date NOT NULL,
    run_id text NOT NULL,
    uri text NOT NULL,
    etag text NOT NULL,
    size bigint NOT NULL,
    report_id text NOT NULL,
    increment_id text,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition_day, run_id)
);

COMMENT ON TABLE etl.rewrite IS
'One row a day that a run was told to take from the newest report (--report latest): the object '
'that holds it there. Only that run stages it from there; any other takes the day from where it is '
'staged from, which is the newest report''s object as soon as that run has staged it.';
COMMENT ON COLUMN etl.rewrite.partition_day IS 'The day.';
COMMENT ON COLUMN etl.rewrite.run_id IS 'The Dagster run that was told so.';
COMMENT ON COLUMN etl.rewrite.uri IS 'The object''s address, s3://bucket/key.';
COMMENT ON COLUMN etl.rewrite.etag IS 'The object''s ETag: its version at this address.';
COMMENT ON COLUMN etl.rewrite.size IS 'The object''s size in bytes.';
COMMENT ON COLUMN etl.rewrite.report_id IS 'The report that it belongs to.';
COMMENT ON COLUMN etl.rewrite.increment_id IS 'The increment that it is; null for a report.';
COMMENT ON COLUMN etl.rewrite.found_at IS 'When it was looked for.';

CREATE TABLE etl.staged_day (
    partition_day date PRIMARY KEY,
    run_id text NOT NULL,
    uri text NOT NULL,
    etag text NOT NULL,
    sha256 text NOT NULL,
    report_id text,
    increment_id text,
    rows_read bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    loaded bigint NOT NULL,
    changes jsonb NOT NULL,
    seconds jsonb NOT NULL,
    staged_at timestamptz NOT NULL DEFAULT now(),
    load_id bigint,
    CHECK (rows_read = duplicates + rejected + loaded)
);

COMMENT ON TABLE etl.staged_day IS
'What staging.user_order_log holds of each day, written in the transaction that swaps the day in. '
'The mart''s load record is made from it, so that it always names the object whose rows the mart '
'was really made of, whatever else was looked for in between.';
COMMENT ON COLUMN etl.staged_day.partition_day IS 'The day.';
COMMENT ON COLUMN etl.staged_day.run_id IS 'The Dagster run that staged it.';
COMMENT ON COLUMN etl.staged_day.uri IS
'The object''s address, s3://bucket/key; of an adopted day that of the old table, '
'postgresql://host:port/database/table.';
COMMENT ON COLUMN etl.staged_day.etag IS
'The ETag of the object''s bytes; of an adopted day the SHA-256.';
COMMENT ON COLUMN etl.staged_day.sha256 IS
'The SHA-256 of the object''s bytes, in hex; of an adopted day that of its old rows as CSV.';
COMMENT ON COLUMN etl.staged_day.report_id IS
'The report that the object belongs to; null for a day that was adopted from an old database.';
COMMENT ON COLUMN etl.staged_day.increment_id IS 'The increment that it is; null for a report.';
COMMENT ON COLUMN etl.staged_day.rows_read IS 'The day''s rows in the object.';
COMMENT ON COLUMN etl.staged_day.duplicates IS
'Rows equal to an earlier one in all but id: dropped.';
COMMENT ON COLUMN etl.staged_day.rejected IS 'Rows in staging.rejected_row.';
COMMENT ON COLUMN etl.staged_day.loaded IS 'Rows in staging.user_order_log: orders.';
COMMENT ON COLUMN etl.staged_day.changes IS
'What it changed in staging: orders added, gone and altered, and the revenue before and after.';
COMMENT ON COLUMN etl.staged_day.seconds IS
'Seconds spent by phase, side by side: read, drop_duplicates, parse, copy.';
COMMENT ON COLUMN etl.staged_day.staged_at IS 'When it was staged.';
COMMENT ON COLUMN etl.staged_day.load_id IS
'The etl.load that brought it into the mart; null until then.';

CREATE TABLE etl.load (
    load_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition_day date NOT NULL,
    run_id text NOT NULL,
    uri text NOT NULL,
    etag text NOT NULL,
    sha256 text NOT NULL,
    report_id text,
    increment_id text,
    rows_read bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    loaded bigint NOT NULL,
    revenue numeric NOT NULL,
    changes jsonb NOT NULL,
    seconds jsonb NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    -- A transaction repeated because its COMMIT's answer got lost writes the same row again.
    UNIQUE (partition_day, run_id)
);

CREATE INDEX load_partition_day_load_id ON etl.load (partition_day, load_id DESC);

COMMENT ON TABLE etl.load IS
'One row a load of a day into the mart, history kept; written in the mart''s own transaction, so '
'the newest row of a day is what the mart holds.';
COMMENT ON COLUMN etl.load.load_id IS 'The order of the loads.';
COMMENT ON COLUMN etl.load.partition_day IS 'The day.';
COMMENT ON COLUMN etl.load.run_id IS 'The Dagster run that loaded it.';
COMMENT ON COLUMN etl.load.uri IS
'The object''s address, s3://bucket/key; of an adopted day that of the old table, '
'postgresql://host:port/database/table.';
COMMENT ON COLUMN etl.load.etag IS
'The ETag of the object''s bytes; of an adopted day the SHA-256.';
COMMENT ON COLUMN etl.load.sha256 IS
'The SHA-256 of the object''s bytes, in hex; of an adopted day that of its old rows as CSV.';
COMMENT ON COLUMN etl.load.report_id IS
'The report that the object belongs to; null for a day that was adopted from an old database.';
COMMENT ON COLUMN etl.load.increment_id IS 'The increment that it is; null for a report.';
COMMENT ON COLUMN etl.load.rows_read IS 'The day''s rows in the object.';
COMMENT ON COLUMN etl.load.duplicates IS 'Rows equal to an earlier one in all but id: dropped.';
COMMENT ON COLUMN etl.load.rejected IS 'Rows in staging.rejected_row.';
COMMENT ON COLUMN etl.load.loaded IS 'Orders in the mart.';
COMMENT ON COLUMN etl.load.revenue IS 'The sum of the day''s payment_amount, refunds negative.';
COMMENT ON COLUMN etl.load.changes IS
'What staging it changed: orders added, gone and altered, and the revenue before and after.';
COMMENT ON COLUMN etl.load.seconds IS
'Seconds spent by phase, the first four side by side: read, drop_duplicates, parse, copy, mart.';
COMMENT ON COLUMN etl.load.loaded_at IS 'When it was loaded.';

CREATE VIEW etl.latest_load AS
SELECT DISTINCT ON (load.partition_day) load.*
FROM etl.load AS load
ORDER BY load.partition_day, load.load_id DESC;

COMMENT ON VIEW etl.latest_load IS
'The newest load of each day: what the mart holds.';

CREATE TABLE etl.attempt (
    feed text NOT NULL,
    partition_day date NOT NULL,
    run_id text NOT NULL,
    uri text,
    etag text,
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('loaded', 'unchanged', 'failed', 'refused')),
    error text,
    PRIMARY KEY (feed, partition_day, run_id),
    CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CHECK ((error IS NOT NULL) = coalesce(outcome IN ('failed', 'refused'), FALSE))
);

CREATE INDEX attempt_run_id ON etl.attempt (run_id);

COMMENT ON TABLE etl.attempt IS
'One row a run and day of a feed: that the run has tried to load the day, and what came of it. A '
'run writes it when it begins, in a transaction of its own, and completes it when it ends; a row '
'without an outcome whose run holds its lock no longer is that of a run that was killed.';
COMMENT ON COLUMN etl.attempt.feed IS
'The feed; order_report where a report was asked for because of the day.';
COMMENT ON COLUMN etl.attempt.partition_day IS 'The day.';
COMMENT ON COLUMN etl.attempt.run_id IS 'The Dagster run.';
COMMENT ON COLUMN etl.attempt.uri IS
'The object that holds the day, s3://bucket/key; null until it is known.';
COMMENT ON COLUMN etl.attempt.etag IS 'The object''s ETag: the version that was tried.';
COMMENT ON COLUMN etl.attempt.began_at IS 'When the run began to work on the day.';
COMMENT ON COLUMN etl.attempt.ended_at IS 'When the attempt ended; null until then.';
COMMENT ON COLUMN etl.attempt.outcome IS
'loaded; unchanged: the mart had the day from this very object; failed; refused: the file or a '
'check of the mart''s figures was at fault. Null until the attempt has ended.';
COMMENT ON COLUMN etl.attempt.error IS 'What was wrong, where it failed or was refused.';

CREATE VIEW etl.failed_attempt AS
SELECT attempt.*
FROM etl.attempt AS attempt
WHERE
    attempt.outcome IN ('failed', 'refused')
    AND NOT EXISTS (
        SELECT
        FROM etl.attempt AS later
        WHERE
            later.feed = attempt.feed
            AND later.partition_day = attempt.partition_day
            AND later.outcome IN ('loaded', 'unchanged')
            AND later.ended_at > attempt.ended_at
    )
    AND NOT EXISTS (
        SELECT
        FROM etl.load AS load
        WHERE
            attempt.feed = 'user_order_log'
            AND load.partition_day = attempt.partition_day
            AND load.loaded_at > attempt.ended_at
    );

COMMENT ON VIEW etl.failed_attempt IS
'The attempts that have failed or were refused since the day was loaded last.';
COMMENT ON COLUMN etl.failed_attempt.feed IS 'The feed, or order_report.';
COMMENT ON COLUMN etl.failed_attempt.partition_day IS 'The day.';
COMMENT ON COLUMN etl.failed_attempt.run_id IS 'The Dagster run.';
COMMENT ON COLUMN etl.failed_attempt.uri IS
'The object, s3://bucket/key; null where it was not known yet.';
COMMENT ON COLUMN etl.failed_attempt.etag IS 'The object''s ETag; null likewise.';
COMMENT ON COLUMN etl.failed_attempt.began_at IS 'When the run began to work on the day.';
COMMENT ON COLUMN etl.failed_attempt.ended_at IS 'When the attempt failed.';
COMMENT ON COLUMN etl.failed_attempt.outcome IS 'failed or refused.';
COMMENT ON COLUMN etl.failed_attempt.error IS 'What was wrong.';
