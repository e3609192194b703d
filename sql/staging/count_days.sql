-- Returns the number of rows in staging.user_order_log for each day.
--
-- Parameters: days (date[]).
-- Rows: partition_day, orders; days without rows have 0.
SELECT
    of_day.partition_day,
    count(order_log.partition_day) AS orders
FROM unnest(%(days)s::date[]) AS of_day (partition_day)
LEFT JOIN staging.user_order_log AS order_log USING (partition_day)
GROUP BY of_day.partition_day
