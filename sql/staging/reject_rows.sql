-- Puts the rejected rows of a file into quarantine.
--
-- Parameters: uri, etag, file (integer, of incoming_rejected).
-- Safe to run twice: a row of a version of an object is one row, with the newest reason.
INSERT INTO staging.rejected_row (uri, etag, line, partition_day, fields, reason)
SELECT
    %(uri)s,
    %(etag)s,
    line,
    partition_day,
    jsonb_strip_nulls(fields) AS fields,
    reason
FROM incoming_rejected
WHERE file = %(file)s
ON CONFLICT (uri, etag, line) DO UPDATE SET
    partition_day = excluded.partition_day,
    fields = excluded.fields,
    reason = excluded.reason,
    rejected_at = now()
