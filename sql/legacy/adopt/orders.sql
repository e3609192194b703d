-- Returns the raw rows that are still in the old staging.user_order_log, as rows of an order log.
--
-- Runs on the old database. Its columns differ: to_jsonb gives null for a missing one. A row
-- without uniq_id gets an md5 of its own, with the prefix adopted-.
-- Parameters: first, last (date; null for no limit).
-- Rows: partition_day (date), the columns of an order log (text); ordered by day and old id.
WITH
old AS (
    SELECT
        date_time::timestamp AS date_time,
        to_jsonb(user_order_log) AS field
    FROM staging.user_order_log
    WHERE
        date_time::date >= coalesce(%(first)s::date, '-infinity')
        AND date_time::date <= coalesce(%(last)s::date, 'infinity')
),

as_text AS (
    SELECT
        field,
        date_time::date AS partition_day,
        to_char(date_time, 'YYYY-MM-DD"T"HH24:MI:SS.US') AS date_time,
        trim_scale((field ->> 'quantity')::numeric)::text AS quantity,
        trim_scale((field ->> 'payment_amount')::numeric)::text AS payment_amount,
        coalesce(field ->> 'status', 'shipped') AS status
    FROM old
)

SELECT
    partition_day,
    date_time,
    quantity,
    payment_amount,
    status,
    field ->> 'city_id' AS city_id,
    field ->> 'city_name' AS city_name,
    field ->> 'customer_id' AS customer_id,
    field ->> 'first_name' AS first_name,
    field ->> 'last_name' AS last_name,
    field ->> 'item_id' AS item_id,
    field ->> 'item_name' AS item_name,
    coalesce(
        field ->> 'uniq_id',
        'adopted-' || md5(
            concat_ws(
                ',', date_time, field ->> 'item_id', field ->> 'customer_id', field ->> 'city_id',
                quantity, payment_amount, status
            )
        )
    ) AS uniq_id
FROM as_text
ORDER BY partition_day, field -> 'id', field
