-- The rows in quarantine, without their fields, which name people: those of the objects that the
-- days are staged from now, or of all that ever were.
--
-- Parameters: day (date), null for all; replaced (bool): also those of objects replaced since.
-- Rows: partition_day, uri, etag, line, reason, rejected_at; by day, object and line.
SELECT
    partition_day,
    uri,
    etag,
    line,
    reason,
    rejected_at
FROM staging.rejected_row
WHERE
    (%(day)s::date IS NULL OR partition_day = %(day)s::date)
    AND (
        %(replaced)s::boolean
        OR EXISTS (
            SELECT
            FROM etl.staged_day
            WHERE staged_day.uri = rejected_row.uri AND staged_day.etag = rejected_row.etag
        )
    )
ORDER BY partition_day ASC NULLS LAST, uri ASC, rejected_at ASC, line ASC
