-- Days that a run was told to take from elsewhere than where they were taken from before.
-- depends: 0005_latest_orders

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

COMMENT ON TABLE etl.raw_file IS
'The S3 object that holds a day''s orders, as it was when last looked for where the day is kept.';
