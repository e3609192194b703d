-- What swapping the incoming days in is about to change in staging.user_order_log.
--
-- An order is the same if uniq_id and status are, and altered if anything else is not.
-- Parameters: days (date[]), all that incoming holds.
-- Rows: partition_day, added, gone, altered (orders), revenue_before, revenue_after.
WITH
days AS (
    SELECT unnest(%(days)s::date[]) AS partition_day
),

before AS (
    SELECT
        partition_day,
        uniq_id,
        status,
        payment_amount_signed AS revenue,
        (
            date_time, city_id, city_name, customer_id, first_name, last_name,
            item_id, item_name, quantity, payment_amount
        ) AS contents
    FROM staging.user_order_log
    WHERE partition_day = any(%(days)s)
),

after AS (
    SELECT
        partition_day,
        uniq_id,
        status,
        CASE status WHEN 'refunded' THEN -payment_amount ELSE payment_amount END AS revenue,
        (
            date_time, city_id, city_name, customer_id, first_name, last_name,
            item_id, item_name, quantity, payment_amount
        ) AS contents
    FROM incoming
),

compared AS (
    SELECT
        partition_day,
        count(*) FILTER (WHERE before.uniq_id IS NULL) AS added,
        count(*) FILTER (WHERE after.uniq_id IS NULL) AS gone,
        count(*) FILTER (WHERE before.contents != after.contents) AS altered,
        coalesce(sum(before.revenue), 0) AS revenue_before,
        coalesce(sum(after.revenue), 0) AS revenue_after
    FROM before
    FULL JOIN after USING (partition_day, uniq_id, status)
    GROUP BY partition_day
)

SELECT
    days.partition_day,
    coalesce(compared.added, 0) AS added,
    coalesce(compared.gone, 0) AS gone,
    coalesce(compared.altered, 0) AS altered,
    coalesce(compared.revenue_before, 0) AS revenue_before,
    coalesce(compared.revenue_after, 0) AS revenue_after
FROM days
LEFT JOIN compared USING (partition_day)
