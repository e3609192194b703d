-- Returns the days that have rows in staging.user_order_log.
--
-- Parameters: days (date[]): the days to look at.
-- Rows: partition_day.
SELECT of_day.partition_day
FROM unnest(%(days)s::date[]) AS of_day (partition_day)
WHERE
    EXISTS (
        SELECT
        FROM staging.user_order_log
        WHERE user_order_log.partition_day = of_day.partition_day
    )
