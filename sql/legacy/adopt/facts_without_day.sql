-- Counts the old facts without a known day: their date_id is no epoch second since 2000, no number
-- such as 20240226, and not in the calendar.
--
-- Runs on the old database.
-- Rows: found (how many), date_id (one of theirs); no row if every fact has a day.
SELECT
    count(*) AS found,
    coalesce(min(f_sales.date_id)::text, 'NULL') AS date_id
FROM mart.f_sales
WHERE
    (f_sales.date_id < 946684800) IS NOT FALSE
    AND (f_sales.date_id BETWEEN 20000101 AND 20991231) IS NOT TRUE
    AND NOT EXISTS (
        SELECT FROM mart.d_calendar
        WHERE
            d_calendar.date_id = f_sales.date_id
            AND coalesce(
                to_jsonb(d_calendar) ->> 'date_actual', to_jsonb(d_calendar) ->> 'fact_date'
            ) IS NOT NULL
    )
HAVING count(*) > 0
