-- Deletes the rows that the days had before this transaction copied their new rows, and returns the
-- difference.
--
-- An order with the same uniq_id and status is still there; it is altered if another column
-- differs. Rows are new if this transaction inserted them, outside any savepoint.
-- Parameters: days (date[]).
-- Rows: partition_day, orders, still_there, altered, revenue; of days that had rows.
-- Safe to run twice: the second time there is nothing to delete.
WITH
before AS (
    DELETE FROM staging.user_order_log
    WHERE
        partition_day = any(%(days)s)
        AND xmin <> pg_current_xact_id()::xid
    RETURNING
        partition_day,
        uniq_id,
        status,
        payment_amount_signed AS revenue,
        (
            date_time, city_id, city_name, customer_id, first_name, last_name,
            item_id, item_name, quantity, payment_amount
        ) AS contents
),

after AS (
    SELECT
        partition_day,
        uniq_id,
        status,
        (
            date_time, city_id, city_name, customer_id, first_name, last_name,
            item_id, item_name, quantity, payment_amount
        ) AS contents
    FROM staging.user_order_log
    WHERE
        partition_day = any(%(days)s)
        AND xmin = pg_current_xact_id()::xid
)

SELECT
    partition_day,
    count(*) AS orders,
    count(after.uniq_id) AS still_there,
    count(*) FILTER (WHERE before.contents <> after.contents) AS altered,
    sum(before.revenue) AS revenue
FROM before
LEFT JOIN after USING (partition_day, uniq_id, status)
GROUP BY partition_day
