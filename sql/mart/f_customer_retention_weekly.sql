-- Computes the retention of the weeks that contain the days of a load, anew from the facts.
--
-- A new customer has exactly one order row in the week, a returning customer has more, whatever the
-- status. Revenue is net. A week without facts has no row.
-- Parameters: days (date[]): the days whose facts have changed.
-- Safe to run twice: the result depends on the facts alone.
DELETE FROM mart.f_customer_retention_weekly
WHERE period_id IN (SELECT etl.monday(day) FROM unnest(%(days)s::date[]) AS loading (day));

WITH
touched_week AS (
    SELECT DISTINCT etl.monday(day) AS period_id
    FROM unnest(%(days)s::date[]) AS loading (day)
),

-- One row per day, so that the join is a hash join: one pass over the facts, not one per week.
touched_day AS (
    SELECT
        touched_week.period_id,
        touched_week.period_id + weekday AS day
    FROM touched_week
    CROSS JOIN generate_series(0, 6) AS weekday
),

customer_week AS (
    SELECT
        touched_day.period_id,
        f_sales.customer_id,
        count(*) AS order_rows,
        sum(f_sales.payment_amount) AS revenue,
        count(*) FILTER (WHERE f_sales.status = 'refunded') AS refunds
    FROM touched_day
    INNER JOIN mart.f_sales ON f_sales.date_id = etl.date_id(touched_day.day)
    GROUP BY touched_day.period_id, f_sales.customer_id
)

INSERT INTO mart.f_customer_retention_weekly (
    period_id,
    new_customers_count,
    new_customers_revenue,
    returning_customers_count,
    returning_customers_revenue,
    refunded_customer_count,
    customers_refunded
)
SELECT
    period_id,
    count(*) FILTER (WHERE order_rows = 1) AS new_customers_count,
    coalesce(sum(revenue) FILTER (WHERE order_rows = 1), 0) AS new_customers_revenue,
    count(*) FILTER (WHERE order_rows > 1) AS returning_customers_count,
    coalesce(sum(revenue) FILTER (WHERE order_rows > 1), 0) AS returning_customers_revenue,
    count(*) FILTER (WHERE refunds > 0) AS refunded_customer_count,
    sum(refunds) AS customers_refunded
FROM customer_week
GROUP BY period_id
