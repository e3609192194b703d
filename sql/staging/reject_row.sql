-- Puts a row of an object into quarantine.
--
-- Parameters: uri, etag, line, partition_day, fields, reason.
-- Safe to run twice: the same row of the same bytes is one row, with the newest reason.
INSERT INTO staging.rejected_row (uri, etag, line, partition_day, fields, reason)
VALUES (%(uri)s, %(etag)s, %(line)s, %(partition_day)s, %(fields)s, %(reason)s)
ON CONFLICT (uri, etag, line) DO UPDATE SET
    partition_day = excluded.partition_day,
    fields = excluded.fields,
    reason = excluded.reason,
    rejected_at = now()
