-- Replaces the days' rows in staging.user_order_log by the incoming ones.
--
-- Parameters: days (date[]), all that incoming holds.
-- Safe to run twice: the outcome depends on incoming alone.
DELETE FROM staging.user_order_log
WHERE partition_day = any(%(days)s);

INSERT INTO staging.user_order_log (
    partition_day, line, uniq_id, date_time, city_id, city_name, customer_id, first_name,
    last_name, item_id, item_name, quantity, payment_amount, status
)
SELECT
    partition_day,
    line,
    uniq_id,
    date_time,
    city_id,
    city_name,
    customer_id,
    first_name,
    last_name,
    item_id,
    item_name,
    quantity,
    payment_amount,
    status
FROM incoming
