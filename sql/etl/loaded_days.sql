-- The days that the mart holds.
--
-- Rows: partition_day, by day.
SELECT DISTINCT partition_day
FROM etl.load
ORDER BY partition_day
