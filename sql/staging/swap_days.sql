-- Deletes the rows that days held before this transaction copied their new ones, and says what
-- becomes of them.
--
-- An order is still there if one of its uniq_id and status is, and altered if anything else of it
-- is not the same. A row is new if this very transaction made it, outside of any savepoint.
-- Parameters: days (date[]).
-- Rows: partition_day, orders, still_there, altered, revenue; of days that held any.
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
