-- Computes each week's retention from the old facts by our definitions: the figures that the old
-- view would have if it did not multiply.
--
-- Parameters: none. The old facts are in the table old_sales.
-- Rows: period_id (the Monday), the view's six figures; ordered by week.
WITH
customer_week AS (
    SELECT
        customer_id,
        etl.monday(partition_day) AS period_id,
        count(*) AS facts,
        coalesce(sum(payment_amount), 0) AS revenue,
        count(*) FILTER (WHERE payment_amount < 0) AS refunds
    FROM old_sales
    GROUP BY customer_id, etl.monday(partition_day)
)

SELECT
    period_id,
    count(*) FILTER (WHERE facts = 1) AS new_customers_count,
    coalesce(sum(revenue) FILTER (WHERE facts = 1), 0) AS new_customers_revenue,
    count(*) FILTER (WHERE facts > 1) AS returning_customers_count,
    coalesce(sum(revenue) FILTER (WHERE facts > 1), 0) AS returning_customers_revenue,
    count(*) FILTER (WHERE refunds > 0) AS refunded_customer_count,
    sum(refunds)::bigint AS customers_refunded
FROM customer_week
GROUP BY period_id
ORDER BY period_id
