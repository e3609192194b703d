-- Returns the loaded days.
--
-- Rows: partition_day, is_adopted (whether the day comes from an old database), by day.
SELECT
    partition_day,
    report_id IS NULL AS is_adopted
FROM etl.latest_load
ORDER BY partition_day
