-- Adds the days that mart.d_calendar lacks, so that it has every day from the first to the last
-- loaded, gaps included.
--
-- Parameters: days (date[]): the days that this transaction loads.
-- Safe to run twice: existing days stay as they are.
WITH
span AS (
    SELECT
        least(min(loading.day), (SELECT min(date_actual) FROM mart.d_calendar)) AS first_day,
        greatest(max(loading.day), (SELECT max(date_actual) FROM mart.d_calendar)) AS last_day
    FROM unnest(%(days)s::date[]) AS loading (day)
),

missing AS (
    SELECT span.first_day + series.day_number AS day
    FROM span
    CROSS JOIN LATERAL generate_series(0, span.last_day - span.first_day) AS series (day_number)
    WHERE NOT EXISTS (
        SELECT FROM mart.d_calendar
        WHERE d_calendar.date_actual = span.first_day + series.day_number
    )
),

-- timestamp, not timestamptz: the names of a day must not depend on the session's time zone.
bounds AS (
    SELECT
        day,
        day::timestamp AS midnight,
        etl.monday(day) AS monday,
        date_trunc('month', day::timestamp)::date AS first_day_of_month,
        date_trunc('quarter', day::timestamp)::date AS first_day_of_quarter,
        date_trunc('year', day::timestamp)::date AS first_day_of_year
    FROM missing
)

INSERT INTO mart.d_calendar (
    date_id, date_actual, epoch, day_suffix, day_name, day_of_week, day_of_month,
    day_of_quarter, day_of_year, week_of_month, week_of_year, week_of_year_iso,
    month_actual, month_name, month_name_abbreviated, quarter_actual, quarter_name,
    year_actual, first_day_of_week, last_day_of_week, first_day_of_month,
    last_day_of_month, first_day_of_quarter, last_day_of_quarter, first_day_of_year,
    last_day_of_year, mmyyyy, mmddyyyy, weekend_indr
)
SELECT
    etl.date_id(day) AS date_id,
    day AS date_actual,
    etl.date_id(day) AS epoch,
    to_char(midnight, 'FMDDth') AS day_suffix,
    to_char(midnight, 'FMDay') AS day_name,
    extract(ISODOW FROM day)::integer AS day_of_week,
    extract(DAY FROM day)::integer AS day_of_month,
    day - first_day_of_quarter + 1 AS day_of_quarter,
    extract(DOY FROM day)::integer AS day_of_year,
    (monday - etl.monday(first_day_of_month)) / 7 + 1 AS week_of_month,
    extract(WEEK FROM day)::integer AS week_of_year,
    to_char(midnight, 'IYYY-"W"IW-ID') AS week_of_year_iso,
    extract(MONTH FROM day)::integer AS month_actual,
    to_char(midnight, 'FMMonth') AS month_name,
    to_char(midnight, 'Mon') AS month_name_abbreviated,
    extract(QUARTER FROM day)::integer AS quarter_actual,
    (ARRAY['First', 'Second', 'Third', 'Fourth'])[extract(QUARTER FROM day)] AS quarter_name,
    extract(YEAR FROM day)::integer AS year_actual,
    monday AS first_day_of_week,
    monday + 6 AS last_day_of_week,
    first_day_of_month,
    (first_day_of_month + interval '1 month')::date - 1 AS last_day_of_month,
    first_day_of_quarter,
    (first_day_of_quarter + interval '3 months')::date - 1 AS last_day_of_quarter,
    first_day_of_year,
    (first_day_of_year + interval '1 year')::date - 1 AS last_day_of_year,
    to_char(midnight, 'MMYYYY') AS mmyyyy,
    to_char(midnight, 'MMDDYYYY') AS mmddyyyy,
    extract(ISODOW FROM day) >= 6 AS weekend_indr
FROM bounds
