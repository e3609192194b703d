-- Brings mart.d_city up to date with the days of a load: each city is named as in its latest
-- order, by (day, line), among all staged rows.
--
-- A member carries whose it is (latest_day, latest_line). Only where that row was of a day in this
-- load and the day no longer has one is history read; a member without any order left is deleted.
--
-- Parameters: days (date[]), staged anew.
-- Safe to run twice: the outcome depends on staging alone.
WITH
latest_in_days AS (
    SELECT DISTINCT ON (city_id)
        city_id,
        city_name,
        partition_day AS latest_day,
        line AS latest_line
    FROM staging.user_order_log
    WHERE partition_day = any(%(days)s)
    ORDER BY city_id ASC, partition_day DESC, line DESC
),

taken_back AS (
    SELECT member.city_id
    FROM mart.d_city AS member
    LEFT JOIN latest_in_days USING (city_id)
    WHERE
        member.latest_day = any(%(days)s)
        AND (latest_in_days.latest_day < member.latest_day) IS NOT FALSE
),

latest_in_history AS (
    SELECT latest.*
    FROM taken_back
    CROSS JOIN LATERAL (
        SELECT
            order_log.city_id,
            order_log.city_name,
            order_log.partition_day AS latest_day,
            order_log.line AS latest_line
        FROM staging.user_order_log AS order_log
        WHERE order_log.city_id = taken_back.city_id
        ORDER BY order_log.partition_day DESC, order_log.line DESC
        LIMIT 1
    ) AS latest
),

gone AS (
    DELETE FROM mart.d_city AS member
    USING taken_back
    LEFT JOIN latest_in_history USING (city_id)
    WHERE
        member.city_id = taken_back.city_id
        AND latest_in_history.city_id IS NULL
),

latest AS (
    SELECT *
    FROM latest_in_days
    WHERE city_id NOT IN (SELECT taken_back.city_id FROM taken_back)
    UNION ALL
    SELECT * FROM latest_in_history
)

INSERT INTO mart.d_city AS member (
    city_id, city_name, latest_day, latest_line
)
SELECT
    city_id,
    city_name,
    latest_day,
    latest_line
FROM latest
ON CONFLICT (city_id) DO UPDATE SET
    city_name = excluded.city_name,
    latest_day = excluded.latest_day,
    latest_line = excluded.latest_line
WHERE
(member.latest_day = any(%(days)s) OR member.latest_day < excluded.latest_day)
AND member IS DISTINCT FROM excluded
