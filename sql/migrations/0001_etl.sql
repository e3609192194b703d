-- The pipeline's own record: the reports that were requested, the object of each day, what staging
-- has of each day, the loads of each day into the mart, and the attempts.
-- There is no other state. Everything in mart follows from etl.load and the objects' bytes.
--
-- The schema etl exists already, because the record of applied migrations is in it.

COMMENT ON TABLE etl.alembic_version IS
'The newest migration that was applied. etl-assets migrate writes it.';
COMMENT ON COLUMN etl.alembic_version.version_num IS
'The name of the migration''s file in sql/migrations, without the ending.';

CREATE FUNCTION etl.date_id(day date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (day - date '1970-01-01') * 86400::bigint;

COMMENT ON FUNCTION etl.date_id(date) IS
'Returns the key of a day in mart.d_calendar: the epoch second of its midnight UTC.';

CREATE FUNCTION etl.monday(day date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day - (extract(ISODOW FROM day)::integer - 1);

COMMENT ON FUNCTION etl.monday(date) IS
'Returns the Monday of a day''s week, which is the period_id of the retention tables.';

CREATE FUNCTION etl.month(day date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day - (extract(DAY FROM day)::integer - 1);

COMMENT ON FUNCTION etl.month(date) IS
'Returns the first day of a day''s month.';

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
'One row for each report that was requested from the API. The task is stored before it is polled, '
'so polling goes on after a restart.';
COMMENT ON COLUMN etl.report.task_id IS 'The API''s id of the request.';
COMMENT ON COLUMN etl.report.report_id IS
'The API''s id of the report. Null until the report is ready.';
COMMENT ON COLUMN etl.report.requested_at IS 'The time when the report was requested.';
COMMENT ON COLUMN etl.report.ready_at IS
'The time when the API first answered that the report is ready.';
COMMENT ON COLUMN etl.report.start_day IS 'The first day that the report covers.';
COMMENT ON COLUMN etl.report.end_day IS 'The last day that the report covers.';
COMMENT ON COLUMN etl.report.paths IS 'The addresses of the report''s files by file name.';

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
'The S3 object that contains a day''s orders, as found when it was last looked for. A day that was '
'loaded before is looked for where it was loaded from.';
COMMENT ON COLUMN etl.raw_file.partition_day IS 'The day.';
COMMENT ON COLUMN etl.raw_file.uri IS 'The object''s address, s3://bucket/key.';
COMMENT ON COLUMN etl.raw_file.etag IS 'The object''s ETag, which identifies its version.';
COMMENT ON COLUMN etl.raw_file.size IS 'The object''s size in bytes.';
COMMENT ON COLUMN etl.raw_file.report_id IS 'The report that the object belongs to.';
COMMENT ON COLUMN etl.raw_file.increment_id IS
'The increment''s id. Null if the object belongs to a report.';
COMMENT ON COLUMN etl.raw_file.found_at IS 'The time when the object was looked for.';

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
'One row for each day that a run takes from the newest report (--report latest), with the object '
'that contains the day there. Only that run and its re-executions use this row. Any other run uses '
'the object that the day is staged from. Once the run has staged the day, this is the same object.';
COMMENT ON COLUMN etl.rewrite.partition_day IS 'The day.';
COMMENT ON COLUMN etl.rewrite.run_id IS 'The Dagster run that has --report latest.';
COMMENT ON COLUMN etl.rewrite.uri IS 'The object''s address, s3://bucket/key.';
COMMENT ON COLUMN etl.rewrite.etag IS 'The object''s ETag, which identifies its version.';
COMMENT ON COLUMN etl.rewrite.size IS 'The object''s size in bytes.';
COMMENT ON COLUMN etl.rewrite.report_id IS 'The report that the object belongs to.';
COMMENT ON COLUMN etl.rewrite.increment_id IS
'The increment''s id. Null if the object belongs to a report.';
COMMENT ON COLUMN etl.rewrite.found_at IS 'The time when the object was looked for.';

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
'The object and the row counts of each day in staging.user_order_log. The transaction that swaps '
'the day in writes this row. The mart''s record of the load is a copy of it, so the record always '
'names the object that the mart''s rows came from, even if another object was found in between.';
COMMENT ON COLUMN etl.staged_day.partition_day IS 'The day.';
COMMENT ON COLUMN etl.staged_day.run_id IS
'The run that staged the day. Adopted days have the id of the adoption.';
COMMENT ON COLUMN etl.staged_day.uri IS
'The object''s address, s3://bucket/key. For an adopted day, the old table''s address, '
'postgresql://host:port/database/table.';
COMMENT ON COLUMN etl.staged_day.etag IS
'The ETag of the object''s bytes. For an adopted day, the SHA-256.';
COMMENT ON COLUMN etl.staged_day.sha256 IS
'The SHA-256 of the object''s bytes, in hex. For an adopted day, of its old rows as CSV.';
COMMENT ON COLUMN etl.staged_day.report_id IS
'The report that the object belongs to. Null if the day was adopted from an old database.';
COMMENT ON COLUMN etl.staged_day.increment_id IS
'The increment''s id. Null if the object belongs to a report.';
COMMENT ON COLUMN etl.staged_day.rows_read IS 'How many rows the object has for the day.';
COMMENT ON COLUMN etl.staged_day.duplicates IS
'How many rows were dropped because they equal an earlier row in all columns but id.';
COMMENT ON COLUMN etl.staged_day.rejected IS
'How many rows were rejected. They are in staging.rejected_row.';
COMMENT ON COLUMN etl.staged_day.loaded IS
'How many rows the day has in staging.user_order_log. Each is an order.';
COMMENT ON COLUMN etl.staged_day.changes IS
'What the load changed in staging: orders added, gone and altered, revenue before and after.';
COMMENT ON COLUMN etl.staged_day.seconds IS
'Seconds by phase: read, drop_duplicates, parse, copy. The phases overlap.';
COMMENT ON COLUMN etl.staged_day.staged_at IS 'The time when the day was staged.';
COMMENT ON COLUMN etl.staged_day.load_id IS
'The row of etl.load that brought the day into the mart. Null until then.';

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
    -- If the answer to COMMIT was lost, the transaction is repeated and writes the same row again.
    UNIQUE (partition_day, run_id)
);

CREATE INDEX load_partition_day_load_id ON etl.load (partition_day, load_id DESC);

COMMENT ON TABLE etl.load IS
'One row for each load of a day into the mart. Old loads stay. The mart''s own transaction writes '
'the row, so the newest row of a day describes what the mart has.';
COMMENT ON COLUMN etl.load.load_id IS 'The number of the load. Later loads have larger numbers.';
COMMENT ON COLUMN etl.load.partition_day IS 'The day.';
COMMENT ON COLUMN etl.load.run_id IS 'The run that loaded the day.';
COMMENT ON COLUMN etl.load.uri IS
'The object''s address, s3://bucket/key. For an adopted day, the old table''s address, '
'postgresql://host:port/database/table.';
COMMENT ON COLUMN etl.load.etag IS
'The ETag of the object''s bytes. For an adopted day, the SHA-256.';
COMMENT ON COLUMN etl.load.sha256 IS
'The SHA-256 of the object''s bytes, in hex. For an adopted day, of its old rows as CSV.';
COMMENT ON COLUMN etl.load.report_id IS
'The report that the object belongs to. Null if the day was adopted from an old database.';
COMMENT ON COLUMN etl.load.increment_id IS
'The increment''s id. Null if the object belongs to a report.';
COMMENT ON COLUMN etl.load.rows_read IS 'How many rows the object has for the day.';
COMMENT ON COLUMN etl.load.duplicates IS
'How many rows were dropped because they equal an earlier row in all columns but id.';
COMMENT ON COLUMN etl.load.rejected IS
'How many rows were rejected. They are in staging.rejected_row.';
COMMENT ON COLUMN etl.load.loaded IS 'How many orders the day has in the mart.';
COMMENT ON COLUMN etl.load.revenue IS
'The sum of the day''s payment_amount. Refunds count as negative.';
COMMENT ON COLUMN etl.load.changes IS
'What staging the day changed: orders added, gone and altered, revenue before and after.';
COMMENT ON COLUMN etl.load.seconds IS
'Seconds by phase: read, drop_duplicates, parse, copy, mart. The first four overlap.';
COMMENT ON COLUMN etl.load.loaded_at IS 'The time when the day was loaded.';

CREATE VIEW etl.latest_load AS
SELECT DISTINCT ON (load.partition_day) load.*
FROM etl.load AS load
ORDER BY load.partition_day, load.load_id DESC;

COMMENT ON VIEW etl.latest_load IS
'The newest load of each day. It describes what the mart has.';

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
'One row for each try of a run to load a day of a feed, with its outcome. A run writes the row '
'when it begins, in a transaction of its own, and completes it when it ends. If a row has no '
'outcome and the run no longer has its lock, the run was killed.';
COMMENT ON COLUMN etl.attempt.feed IS
'The feed, or order_report if a report was requested for the day.';
COMMENT ON COLUMN etl.attempt.partition_day IS 'The day.';
COMMENT ON COLUMN etl.attempt.run_id IS 'The Dagster run.';
COMMENT ON COLUMN etl.attempt.uri IS
'The address of the object that contains the day, s3://bucket/key. Null until it is known.';
COMMENT ON COLUMN etl.attempt.etag IS
'The object''s ETag, which identifies the version that was tried.';
COMMENT ON COLUMN etl.attempt.began_at IS 'The time when the run began to work on the day.';
COMMENT ON COLUMN etl.attempt.ended_at IS 'The time when the attempt ended. Null until then.';
COMMENT ON COLUMN etl.attempt.outcome IS
'loaded, unchanged (the mart already had the day from the same object), failed, or refused (the '
'file was wrong or a check of the mart''s figures failed). Null until the attempt ends.';
COMMENT ON COLUMN etl.attempt.error IS 'The error, if the attempt failed or was refused.';

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
'The attempts that failed or were refused since the day was last loaded.';
COMMENT ON COLUMN etl.failed_attempt.feed IS 'The feed, or order_report.';
COMMENT ON COLUMN etl.failed_attempt.partition_day IS 'The day.';
COMMENT ON COLUMN etl.failed_attempt.run_id IS 'The Dagster run.';
COMMENT ON COLUMN etl.failed_attempt.uri IS
'The object''s address, s3://bucket/key. Null if it was not known yet.';
COMMENT ON COLUMN etl.failed_attempt.etag IS
'The object''s ETag. Null if the object was not known yet.';
COMMENT ON COLUMN etl.failed_attempt.began_at IS 'The time when the run began to work on the day.';
COMMENT ON COLUMN etl.failed_attempt.ended_at IS 'The time when the attempt failed.';
COMMENT ON COLUMN etl.failed_attempt.outcome IS 'failed or refused.';
COMMENT ON COLUMN etl.failed_attempt.error IS 'The error.';
