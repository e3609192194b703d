-- Returns the rows of the old mart.f_customer_retention.
--
-- Runs on the old database.
-- Rows: period_id (date; null if the old one is no date), the view's six figures; ordered by week.
SELECT
    CASE
        WHEN field ->> 'period_id' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}'
            THEN left(field ->> 'period_id', 10)::date
    END AS period_id,
    coalesce((field ->> 'new_customers_count')::bigint, 0) AS new_customers_count,
    coalesce((field ->> 'new_customers_revenue')::numeric, 0) AS new_customers_revenue,
    coalesce((field ->> 'returning_customers_count')::bigint, 0) AS returning_customers_count,
    coalesce((field ->> 'returning_customers_revenue')::numeric, 0) AS returning_customers_revenue,
    coalesce((field ->> 'refunded_customer_count')::bigint, 0) AS refunded_customer_count,
    coalesce((field ->> 'customers_refunded')::bigint, 0) AS customers_refunded
FROM (
    SELECT to_jsonb(f_customer_retention) AS field
    FROM mart.f_customer_retention
) AS week
ORDER BY period_id
