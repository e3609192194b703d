-- The old facts with the names of their dimensions, as the texts of an order log: one row a fact.
--
-- On the old database. Its columns differ: to_jsonb gives null for one that is not there. The sign
-- of the amount tells a refund where there is no status. A member that a dimension lacks is called
-- unknown. There is no uniq_id: an md5 stands for it that says so. It is the same for equal facts,
-- which makes them copies, unless all are to be kept.
-- Parameters: first, last (date; null for no limit), keep_copies (boolean).
-- Rows: partition_day (date), the columns of an order log (text), quantity_signed and
-- payment_amount_signed (numbers as they are there); by day, in their order.
WITH
item AS (
    SELECT DISTINCT ON (item_id)
        item_id,
        nullif(item_name, '') AS item_name
    FROM mart.d_item
    ORDER BY item_id ASC, to_jsonb(d_item) -> 'id' DESC, item_name ASC
),

city AS (
    SELECT DISTINCT ON (city_id)
        city_id,
        nullif(city_name, '') AS city_name
    FROM mart.d_city
    ORDER BY city_id ASC, to_jsonb(d_city) -> 'id' DESC, city_name ASC
),

customer AS (
    SELECT DISTINCT ON (customer_id)
        customer_id,
        nullif(first_name, '') AS first_name,
        nullif(last_name, '') AS last_name
    FROM mart.d_customer
    ORDER BY customer_id ASC, to_jsonb(d_customer) -> 'id' DESC, first_name ASC, last_name ASC
),

calendar AS (
    SELECT DISTINCT ON (date_id)
        date_id,
        date_actual
    FROM (
        SELECT
            date_id,
            coalesce(
                to_jsonb(d_calendar) ->> 'date_actual', to_jsonb(d_calendar) ->> 'fact_date'
            )::timestamp AS date_actual
        FROM mart.d_calendar
    ) AS day
    ORDER BY date_id ASC, date_actual ASC
),

old AS (
    SELECT
        f_sales.item_id,
        f_sales.customer_id,
        f_sales.city_id,
        f_sales.quantity,
        f_sales.payment_amount,
        to_jsonb(f_sales) AS field,
        -- An epoch second since 2000, or else whatever the calendar says.
        CASE
            WHEN f_sales.date_id >= 946684800
                THEN timestamp '1970-01-01' + f_sales.date_id * interval '1 second'
            ELSE calendar.date_actual
        END AS date_time
    FROM mart.f_sales
    LEFT JOIN calendar USING (date_id)
),

as_text AS (
    SELECT
        field,
        item_id,
        customer_id,
        city_id,
        quantity AS quantity_signed,
        payment_amount AS payment_amount_signed,
        date_time::date AS partition_day,
        to_char(date_time, 'YYYY-MM-DD"T"HH24:MI:SS.US') AS date_time,
        trim_scale(abs(quantity::numeric))::text AS quantity,
        trim_scale(abs(payment_amount::numeric))::text AS payment_amount,
        CASE
            WHEN payment_amount < 0 THEN 'refunded'
            ELSE coalesce(field ->> 'status', 'shipped')
        END AS status
    FROM old
    WHERE
        date_time::date >= coalesce(%(first)s::date, '-infinity')
        AND date_time::date <= coalesce(%(last)s::date, 'infinity')
),

numbered AS (
    SELECT
        *,
        CASE
            WHEN %(keep_copies)s
                THEN row_number() OVER (
                    PARTITION BY
                        date_time, item_id, customer_id, city_id, quantity, payment_amount, status
                    ORDER BY field -> 'id'
                )
        END AS number_of_copy
    FROM as_text
)

SELECT
    numbered.partition_day,
    numbered.quantity_signed,
    numbered.payment_amount_signed,
    numbered.date_time,
    numbered.quantity,
    numbered.payment_amount,
    numbered.status,
    city_id::text AS city_id,
    customer_id::text AS customer_id,
    item_id::text AS item_id,
    coalesce(city.city_name, 'unknown') AS city_name,
    coalesce(customer.first_name, 'unknown') AS first_name,
    coalesce(customer.last_name, 'unknown') AS last_name,
    coalesce(item.item_name, 'unknown') AS item_name,
    'adopted-' || md5(
        concat_ws(
            ',', numbered.date_time, item_id, customer_id, city_id, numbered.quantity,
            numbered.payment_amount, numbered.status, numbered.number_of_copy
        )
    ) AS uniq_id
FROM numbered
LEFT JOIN item USING (item_id)
LEFT JOIN city USING (city_id)
LEFT JOIN customer USING (customer_id)
ORDER BY numbered.partition_day, numbered.field -> 'id', uniq_id
