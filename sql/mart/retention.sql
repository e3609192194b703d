-- Returns the view for BI, in the order of the weeks.
--
-- Rows: the view's columns.
SELECT *
FROM mart.f_customer_retention
ORDER BY period_id
