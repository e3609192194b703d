-- Returns the days whose facts differ from staging in rows, quantity or revenue.
--
-- Parameters: days (date[]): the days of a load.
-- Rows: partition_day, found (facts minus staged rows); no rows if the check passes.
WITH
loading AS (
    SELECT unnest(%(days)s::date[]) AS day
),

fact AS (
    SELECT
        loading.day,
        count(f_sales.date_id) AS order_rows,
        coalesce(sum(f_sales.quantity), 0) AS quantity,
        coalesce(sum(f_sales.payment_amount), 0) AS revenue
    FROM loading
    LEFT JOIN mart.f_sales ON f_sales.date_id = etl.date_id(loading.day)
    GROUP BY loading.day
),

staged AS (
    SELECT
        loading.day,
        count(order_log.line) AS order_rows,
        coalesce(sum(order_log.quantity_signed), 0) AS quantity,
        coalesce(sum(order_log.payment_amount_signed), 0) AS revenue
    FROM loading
    LEFT JOIN staging.user_order_log AS order_log ON loading.day = order_log.partition_day
    GROUP BY loading.day
)

SELECT
    fact.day AS partition_day,
    fact.order_rows - staged.order_rows AS found
FROM fact
INNER JOIN staged USING (day)
WHERE
    (fact.order_rows, fact.quantity, fact.revenue)
    != (staged.order_rows, staged.quantity, staged.revenue)
ORDER BY fact.day
