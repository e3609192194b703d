-- Records the staged rows of a day, in the transaction that swaps the day.
--
-- Parameters: partition_day, run_id, uri, etag, sha256, report_id, increment_id, rows_read,
-- duplicates, rejected, loaded, changes, seconds.
-- Safe to run twice: a day has one row.
INSERT INTO etl.staged_day (
    partition_day, run_id, uri, etag, sha256, report_id, increment_id,
    rows_read, duplicates, rejected, loaded, changes, seconds
)
VALUES (
    %(partition_day)s, %(run_id)s, %(uri)s, %(etag)s, %(sha256)s, %(report_id)s, %(increment_id)s,
    %(rows_read)s, %(duplicates)s, %(rejected)s, %(loaded)s,
    %(changes)s, %(seconds)s
)
ON CONFLICT (partition_day) DO UPDATE SET
    run_id = excluded.run_id,
    uri = excluded.uri,
    etag = excluded.etag,
    sha256 = excluded.sha256,
    report_id = excluded.report_id,
    increment_id = excluded.increment_id,
    rows_read = excluded.rows_read,
    duplicates = excluded.duplicates,
    rejected = excluded.rejected,
    loaded = excluded.loaded,
    changes = excluded.changes,
    seconds = excluded.seconds,
    staged_at = now(),
    load_id = NULL
