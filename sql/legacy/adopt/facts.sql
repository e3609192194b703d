-- Returns the old facts as rows of an order log, with names from the dimensions: one row per fact.
--
-- Runs on the old database. Its columns differ: to_jsonb gives null for a missing one. Without a
-- status, a negative amount marks a refund. If a dimension lacks a member, its name is "unknown",
-- and its id is null if facts refer to the dimension's own ids. Old facts have no uniq_id: an md5
-- with the prefix adopted- takes its place. Equal facts have the same md5, which makes them
-- duplicates; with keep_duplicates each has its own.
-- Parameters: first, last (date; null for no limit), keep_duplicates (boolean), item_key, city_key,
-- customer_key (the column of the dimension that the facts refer to).
-- Rows: partition_day (date), the columns of an order log (text), quantity_signed and
-- payment_amount_signed (numbers with the old sign); ordered by day and old id.
WITH
item AS (
    SELECT DISTINCT ON (key)
        item_id,
        to_jsonb(d_item) ->> %(item_key)s AS key,
        nullif(item_name, '') AS item_name
    FROM mart.d_item
    ORDER BY key ASC, to_jsonb(d_item) -> 'id' DESC, item_name ASC
),

city AS (
    SELECT DISTINCT ON (key)
        city_id,
        to_jsonb(d_city) ->> %(city_key)s AS key,
        nullif(city_name, '') AS city_name
    FROM mart.d_city
    ORDER BY key ASC, to_jsonb(d_city) -> 'id' DESC, city_name ASC
),

customer AS (
    SELECT DISTINCT ON (key)
        customer_id,
        to_jsonb(d_customer) ->> %(customer_key)s AS key,
        nullif(first_name, '') AS first_name,
        nullif(last_name, '') AS last_name
    FROM mart.d_customer
    ORDER BY key ASC, to_jsonb(d_customer) -> 'id' DESC, first_name ASC, last_name ASC
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
        f_sales.quantity,
        f_sales.payment_amount,
        item.item_name,
        city.city_name,
        customer.first_name,
        customer.last_name,
        to_jsonb(f_sales) AS field,
        CASE %(item_key)s WHEN 'item_id' THEN f_sales.item_id ELSE item.item_id END AS item_id,
        CASE %(city_key)s WHEN 'city_id' THEN f_sales.city_id ELSE city.city_id END AS city_id,
        CASE %(customer_key)s
            WHEN 'customer_id' THEN f_sales.customer_id ELSE customer.customer_id
        END AS customer_id,
        -- date_id is an epoch second since 2000, or a key of the calendar, or a number as 20240226.
        CASE
            WHEN f_sales.date_id >= 946684800
                THEN timestamp '1970-01-01' + f_sales.date_id * interval '1 second'
            WHEN calendar.date_actual IS NOT NULL THEN calendar.date_actual
            WHEN f_sales.date_id BETWEEN 20000101 AND 20991231
                THEN to_date(f_sales.date_id::text, 'YYYYMMDD')
        END AS date_time
    FROM mart.f_sales
    LEFT JOIN calendar USING (date_id)
    LEFT JOIN item ON f_sales.item_id::text = item.key
    LEFT JOIN city ON f_sales.city_id::text = city.key
    LEFT JOIN customer ON f_sales.customer_id::text = customer.key
),

as_text AS (
    SELECT
        field,
        item_id,
        item_name,
        customer_id,
        first_name,
        last_name,
        city_id,
        city_name,
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
            WHEN %(keep_duplicates)s
                THEN row_number() OVER (
                    PARTITION BY
                        date_time, item_id, customer_id, city_id, quantity, payment_amount, status
                    ORDER BY field -> 'id'
                )
        END AS number_of_duplicate
    FROM as_text
)

SELECT
    partition_day,
    quantity_signed,
    payment_amount_signed,
    date_time,
    quantity,
    payment_amount,
    status,
    city_id::text AS city_id,
    customer_id::text AS customer_id,
    item_id::text AS item_id,
    coalesce(city_name, 'unknown') AS city_name,
    coalesce(first_name, 'unknown') AS first_name,
    coalesce(last_name, 'unknown') AS last_name,
    coalesce(item_name, 'unknown') AS item_name,
    'adopted-' || md5(
        concat_ws(
            ',', date_time, item_id, customer_id, city_id, quantity, payment_amount, status,
            number_of_duplicate
        )
    ) AS uniq_id
FROM numbered
ORDER BY partition_day, field -> 'id', uniq_id
