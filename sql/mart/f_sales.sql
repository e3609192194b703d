-- Replaces the facts of the days by their staged rows, refunds negative.
--
-- Two statements, because a deleted row and an inserted one may have the same key.
-- Parameters: days (date[]): the days staged anew.
-- Safe to run twice: the result depends on staging alone.
DELETE FROM mart.f_sales
WHERE date_id IN (SELECT etl.date_id(day) FROM unnest(%(days)s::date[]) AS loading (day));

INSERT INTO mart.f_sales (
    date_id, item_id, customer_id, city_id, quantity, payment_amount, uniq_id, status
)
SELECT
    etl.date_id(partition_day) AS date_id,
    item_id,
    customer_id,
    city_id,
    quantity_signed AS quantity,
    payment_amount_signed AS payment_amount,
    uniq_id,
    status
FROM staging.user_order_log
WHERE partition_day IN (SELECT unnest(%(days)s::date[]))
