-- Returns the days with facts that lack one of their four dimensions.
--
-- Parameters: days (date[]): the days of a load.
-- Rows: partition_day, found (the number of such facts); no rows if the check passes.
SELECT
    loading.day AS partition_day,
    count(*) AS found
FROM unnest(%(days)s::date[]) AS loading (day)
INNER JOIN mart.f_sales ON f_sales.date_id = etl.date_id(loading.day)
WHERE
    NOT EXISTS (
        SELECT FROM mart.d_calendar
        WHERE d_calendar.date_id = f_sales.date_id
    )
    OR NOT EXISTS (
        SELECT FROM mart.d_item
        WHERE d_item.item_id = f_sales.item_id
    )
    OR NOT EXISTS (
        SELECT FROM mart.d_city
        WHERE d_city.city_id = f_sales.city_id
    )
    OR NOT EXISTS (
        SELECT FROM mart.d_customer
        WHERE d_customer.customer_id = f_sales.customer_id
    )
GROUP BY loading.day
ORDER BY loading.day
