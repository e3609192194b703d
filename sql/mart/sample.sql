-- Returns a few rows of each table of the mart, without names of people: the first members of the
-- dimensions, facts and calendar of the day, the newest weeks.
--
-- Each part uses an index, so the time does not depend on how much is loaded.
-- Parameters: day (date).
-- Rows: table_name, sample (json: column and value).
(
    SELECT
        'd_item' AS table_name,
        row_to_json(member) AS sample
    FROM (
        SELECT *
        FROM mart.d_item
        ORDER BY item_id
        LIMIT 5
    ) AS member
)
UNION ALL
(
    SELECT
        'd_city' AS table_name,
        row_to_json(member) AS sample
    FROM (
        SELECT *
        FROM mart.d_city
        ORDER BY city_id
        LIMIT 5
    ) AS member
)
UNION ALL
(
    SELECT
        'd_customer' AS table_name,
        row_to_json(member) AS sample
    FROM (
        SELECT
            customer_id,
            city_id,
            latest_day,
            latest_line
        FROM mart.d_customer
        ORDER BY customer_id
        LIMIT 5
    ) AS member
)
UNION ALL
(
    SELECT
        'd_calendar' AS table_name,
        row_to_json(d_calendar) AS sample
    FROM mart.d_calendar
    WHERE date_id = etl.date_id(%(day)s::date)
)
UNION ALL
(
    SELECT
        'f_sales' AS table_name,
        row_to_json(fact) AS sample
    FROM (
        SELECT *
        FROM mart.f_sales
        WHERE date_id = etl.date_id(%(day)s::date)
        ORDER BY uniq_id, status
        LIMIT 5
    ) AS fact
)
UNION ALL
(
    SELECT
        'f_customer_retention_weekly' AS table_name,
        row_to_json(week) AS sample
    FROM (
        SELECT *
        FROM mart.f_customer_retention_weekly
        ORDER BY period_id DESC
        LIMIT 5
    ) AS week
)
