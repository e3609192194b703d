-- How many rows staging.user_order_log has of days.
--
-- Parameters: days (date[]).
-- Rows: partition_day, orders; also of days without any.
SELECT
    of_day.partition_day,
    count(order_log.partition_day) AS orders
FROM unnest(%(days)s::date[]) AS of_day (partition_day)
LEFT JOIN staging.user_order_log AS order_log USING (partition_day)
GROUP BY of_day.partition_day
