-- Empties the mart before every day that staging holds is loaded into it in one transaction, so
-- that nothing survives but what staging says.
--
-- DELETE, not TRUNCATE: readers go on seeing the old rows until COMMIT.
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
