-- Returns the staged days, and the version of the object that each was staged from.
--
-- Rows: partition_day, uri, etag, report_id, increment_id, is_loaded (whether the day is loaded as
-- it is staged), is_adopted (whether it comes from an old database), by day.
SELECT
    partition_day,
    uri,
    etag,
    report_id,
    increment_id,
    load_id IS NOT NULL AS is_loaded,
    report_id IS NULL AS is_adopted
FROM etl.staged_day
ORDER BY partition_day
