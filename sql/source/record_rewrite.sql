-- Records the object that a run was told to load a day from, and its version.
--
-- Parameters: partition_day, run_id, uri, etag, size, report_id, increment_id.
-- Safe to run twice: a run and day has one row.
INSERT INTO etl.rewrite (partition_day, run_id, uri, etag, size, report_id, increment_id)
VALUES (
    %(partition_day)s, %(run_id)s, %(uri)s, %(etag)s, %(size)s, %(report_id)s, %(increment_id)s
)
ON CONFLICT (partition_day, run_id) DO UPDATE SET
    uri = excluded.uri,
    etag = excluded.etag,
    size = excluded.size,
    report_id = excluded.report_id,
    increment_id = excluded.increment_id,
    found_at = now()
