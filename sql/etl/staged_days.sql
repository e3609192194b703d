-- The days that staging holds.
--
-- Rows: partition_day, is_loaded (whether the mart holds the day as it is staged), by day.
SELECT
    partition_day,
    load_id IS NOT NULL AS is_loaded
FROM etl.staged_day
ORDER BY partition_day
