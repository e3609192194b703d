-- Returns the number of rows in quarantine that count for no day: rows of multi-day reports without
-- a readable day, or with a day outside the report's range.
--
-- Parameters: days (date[]): loaded days, whose objects are looked at.
-- Rows: uri, start_day, end_day (of the report), rejected; only objects with such rows, by uri.
SELECT
    object.uri,
    object.start_day,
    object.end_day,
    count(*) AS rejected
FROM (
    SELECT DISTINCT
        latest_load.uri,
        latest_load.etag,
        report.start_day,
        report.end_day
    FROM etl.latest_load
    INNER JOIN etl.report USING (report_id)
    WHERE
        latest_load.partition_day = any(%(days)s::date[])
        AND latest_load.increment_id IS NULL
        AND report.start_day < report.end_day
) AS object
INNER JOIN staging.rejected_row
    ON object.uri = rejected_row.uri AND object.etag = rejected_row.etag
WHERE
    rejected_row.partition_day IS NULL
    OR rejected_row.partition_day NOT BETWEEN object.start_day AND object.end_day
GROUP BY object.uri, object.start_day, object.end_day
ORDER BY object.uri
