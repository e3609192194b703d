-- Returns the number of rows of each table of the mart.
--
-- The facts are summed from the loads: counting them would take longer with every day.
-- Rows: one.
SELECT
    (SELECT count(*) FROM mart.d_item) AS d_item,
    (SELECT count(*) FROM mart.d_city) AS d_city,
    (SELECT count(*) FROM mart.d_customer) AS d_customer,
    (SELECT count(*) FROM mart.d_calendar) AS d_calendar,
    (SELECT coalesce(sum(loaded), 0)::bigint FROM etl.latest_load) AS f_sales,
    (SELECT count(*) FROM mart.f_customer_retention_weekly) AS f_customer_retention_weekly
