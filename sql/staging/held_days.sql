-- The days that staging.user_order_log has any rows of.
--
-- Parameters: days (date[]), those that are asked about.
-- Rows: partition_day.
SELECT of_day.partition_day
FROM unnest(%(days)s::date[]) AS of_day (partition_day)
WHERE
    EXISTS (
        SELECT
        FROM staging.user_order_log
        WHERE user_order_log.partition_day = of_day.partition_day
    )
