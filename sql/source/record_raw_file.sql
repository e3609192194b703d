-- Records the object that holds a day, and its version.
--
-- Parameters: partition_day, uri, etag, size, report_id, increment_id.
-- Safe to run twice: a day has one row.
INSERT INTO etl.raw_file (partition_day, uri, etag, size, report_id, increment_id)
VALUES (%(partition_day)s, %(uri)s, %(etag)s, %(size)s, %(report_id)s, %(increment_id)s)
ON CONFLICT (partition_day) DO UPDATE SET
    uri = excluded.uri,
    etag = excluded.etag,
    size = excluded.size,
    report_id = excluded.report_id,
    increment_id = excluded.increment_id,
    found_at = now()
