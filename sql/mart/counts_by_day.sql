-- Returns the counts of the loaded days.
--
-- Parameters: days (date[]).
-- Rows: partition_day, orders, refunds, revenue, items, cities, customers (distinct, of the day's
-- orders).
SELECT
    loading.day AS partition_day,
    count(f_sales.date_id) AS orders,
    count(*) FILTER (WHERE f_sales.status = 'refunded') AS refunds,
    coalesce(sum(f_sales.payment_amount), 0) AS revenue,
    count(DISTINCT f_sales.item_id) AS items,
    count(DISTINCT f_sales.city_id) AS cities,
    count(DISTINCT f_sales.customer_id) AS customers
FROM unnest(%(days)s::date[]) AS loading (day)
LEFT JOIN mart.f_sales ON f_sales.date_id = etl.date_id(loading.day)
GROUP BY loading.day
ORDER BY loading.day
