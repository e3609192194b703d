-- Returns the rows in quarantine, without their fields, which have names of people: those of the
-- objects that the days are staged from now, or of all objects ever read.
--
-- An object of a single day counts for that day as a whole: date_time of a rejected row may be
-- another day, or unreadable.
-- Parameters: day (date), null for all; replaced (bool): also rows of objects replaced since.
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
    (
        %(day)s::date IS NULL
        OR partition_day = %(day)s::date
        OR (uri, etag) IN (
            SELECT
                of_day.uri,
                of_day.etag
            FROM (
                SELECT
                    uri,
                    etag,
                    report_id,
                    increment_id
                FROM etl.staged_day
                WHERE partition_day = %(day)s::date
                UNION
                SELECT
                    uri,
                    etag,
                    report_id,
                    increment_id
                FROM etl.load
                WHERE partition_day = %(day)s::date
            ) AS of_day
            LEFT JOIN etl.report USING (report_id)
            WHERE
                of_day.increment_id IS NOT NULL
                OR of_day.report_id IS NULL
                OR report.start_day = report.end_day
        )
    )
    AND (
        %(replaced)s::boolean
        OR EXISTS (
            SELECT
            FROM etl.staged_day
            WHERE staged_day.uri = rejected_row.uri AND staged_day.etag = rejected_row.etag
        )
    )
ORDER BY partition_day ASC NULLS LAST, uri ASC, rejected_at ASC, line ASC
