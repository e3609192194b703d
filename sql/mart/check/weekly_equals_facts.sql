-- Returns the weeks whose stored figures differ from the facts in customers, revenue or refunds.
--
-- It counts facts, while the stored figures are computed from customers.
-- Parameters: days (date[]): the days of a load, whose weeks are checked.
-- Rows: partition_day (the Monday), found (stored revenue minus the facts'); no rows if the check
-- passes.
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

fact AS (
    SELECT
        touched_day.period_id,
        count(DISTINCT f_sales.customer_id) AS customers,
        coalesce(sum(f_sales.payment_amount), 0) AS revenue,
        count(*) FILTER (WHERE f_sales.status = 'refunded') AS refunds
    FROM touched_day
    LEFT JOIN mart.f_sales ON f_sales.date_id = etl.date_id(touched_day.day)
    GROUP BY touched_day.period_id
),

kept AS (
    SELECT
        touched_week.period_id,
        coalesce(weekly.new_customers_count + weekly.returning_customers_count, 0) AS customers,
        coalesce(weekly.new_customers_revenue + weekly.returning_customers_revenue, 0) AS revenue,
        coalesce(weekly.customers_refunded, 0) AS refunds
    FROM touched_week
    LEFT JOIN mart.f_customer_retention_weekly AS weekly USING (period_id)
)

SELECT
    fact.period_id AS partition_day,
    kept.revenue - fact.revenue AS found
FROM fact
INNER JOIN kept USING (period_id)
WHERE (kept.customers, kept.revenue, kept.refunds) != (fact.customers, fact.revenue, fact.refunds)
ORDER BY fact.period_id
