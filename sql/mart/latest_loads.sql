-- Returns the newest load of each day: what the mart has now.
--
-- Parameters: days (date[]), null for all.
-- Rows: the columns of etl.load, by day.
SELECT *
FROM etl.latest_load
WHERE %(days)s::date[] IS NULL OR partition_day = any(%(days)s::date[])
ORDER BY partition_day
