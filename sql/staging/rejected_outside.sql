-- How many rows in quarantine count for no day: those of reports of several days that have no
-- readable day, or one outside the report's.
--
-- Parameters: days (date[]): the objects are those that the mart's days were loaded from.
-- Rows: uri, start_day, end_day (of the report), rejected; of objects that have any, by uri.
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
