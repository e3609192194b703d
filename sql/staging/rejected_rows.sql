-- The rows in quarantine, without their fields, which name people.
--
-- Parameters: day (date), null for all.
-- Rows: partition_day, uri, etag, line, reason, rejected_at; by day, object and line.
SELECT
    partition_day,
    uri,
    etag,
    line,
    reason,
    rejected_at
FROM staging.rejected_row
WHERE %(day)s::date IS NULL OR partition_day = %(day)s::date
ORDER BY partition_day ASC NULLS LAST, uri ASC, rejected_at ASC, line ASC
