-- Empties the mart before a load of all staged days, so that nothing remains that staging lacks.
--
-- DELETE, not TRUNCATE: readers see the old rows until COMMIT.
-- Parameters: none.
DELETE FROM mart.f_sales;

DELETE FROM mart.f_customer_retention_weekly;

DELETE FROM mart.d_customer;

DELETE FROM staging.customer_day;

DELETE FROM mart.d_city;

DELETE FROM staging.city_day;

DELETE FROM mart.d_item;

DELETE FROM staging.item_day;

DELETE FROM mart.d_calendar
