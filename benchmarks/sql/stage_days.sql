-- Stages made-up orders for days, as staging leaves them behind: the rows, and the record of the day.
--
-- Customers order at random; every thirtieth order is a refund.
-- Parameters: first (date), days (int), orders (int, a day), customers (int).
INSERT INTO staging.user_order_log (
    partition_day, line, uniq_id, date_time, city_id, city_name, customer_id, first_name, last_name,
    item_id, item_name, quantity, payment_amount, status
)
SELECT
    day AS partition_day,
    line,
    md5(day::text || line) AS uniq_id,
    day AS date_time,
    line %% 500 AS city_id,
    'City ' || line %% 500 AS city_name,
    customer.id AS customer_id,
    'First' AS first_name,
    'Last ' || customer.id AS last_name,
    line %% 100 AS item_id,
    'Item ' || line %% 100 AS item_name,
    1 + line %% 5 AS quantity,
    (1 + line %% 1000) * 5 AS payment_amount,
    CASE WHEN line %% 30 = 0 THEN 'refunded' ELSE 'shipped' END AS status
FROM generate_series(0, %(days)s - 1) AS number
CROSS JOIN LATERAL (SELECT %(first)s::date + number::integer AS day) AS of_number
CROSS JOIN LATERAL generate_series(2, %(orders)s + 1) AS line
CROSS JOIN LATERAL (
    SELECT
        abs(hashint8extended(line, of_number.day - date '2000-01-01')) %% %(customers)s AS id
) AS customer;

INSERT INTO etl.staged_day (
    partition_day, run_id, uri, etag, sha256, report_id, rows_read, duplicates, rejected, loaded,
    changes, seconds
)
SELECT
    %(first)s::date + number::integer AS partition_day,
    'benchmark' AS run_id,
    's3://benchmark/orders.csv' AS uri,
    'etag' AS etag,
    'sha256' AS sha256,
    'report' AS report_id,
    %(orders)s AS rows_read,
    0 AS duplicates,
    0 AS rejected,
    %(orders)s AS loaded,
    '{}' AS changes,
    '{}' AS seconds
FROM generate_series(0, %(days)s - 1) AS number
ON CONFLICT (partition_day) DO UPDATE SET load_id = NULL
