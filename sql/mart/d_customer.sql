-- Brings mart.d_customer up to date with the days of a load: each customer is as the latest order,
-- by (day, line), among all staged rows describes them.
--
-- A member carries whose it is (latest_day, latest_line). Only where that row was of a day in this
-- load and the day no longer has one is history read; a member without any order left is deleted.
--
-- Parameters: days (date[]), staged anew.
-- Safe to run twice: the outcome depends on staging alone.
WITH
latest_in_days AS (
    SELECT DISTINCT ON (customer_id)
        customer_id,
        first_name,
        last_name,
        city_id,
        partition_day AS latest_day,
        line AS latest_line
    FROM staging.user_order_log
    WHERE partition_day = any(%(days)s)
    ORDER BY customer_id ASC, partition_day DESC, line DESC
),

taken_back AS (
    SELECT member.customer_id
    FROM mart.d_customer AS member
    LEFT JOIN latest_in_days USING (customer_id)
    WHERE
        member.latest_day = any(%(days)s)
        AND (latest_in_days.latest_day < member.latest_day) IS NOT FALSE
),

latest_in_history AS (
    SELECT latest.*
    FROM taken_back
    CROSS JOIN LATERAL (
        SELECT
            order_log.customer_id,
            order_log.first_name,
            order_log.last_name,
            order_log.city_id,
            order_log.partition_day AS latest_day,
            order_log.line AS latest_line
        FROM staging.user_order_log AS order_log
        WHERE order_log.customer_id = taken_back.customer_id
        ORDER BY order_log.partition_day DESC, order_log.line DESC
        LIMIT 1
    ) AS latest
),

gone AS (
    DELETE FROM mart.d_customer AS member
    USING taken_back
    LEFT JOIN latest_in_history USING (customer_id)
    WHERE
        member.customer_id = taken_back.customer_id
        AND latest_in_history.customer_id IS NULL
),

latest AS (
    SELECT *
    FROM latest_in_days
    WHERE customer_id NOT IN (SELECT taken_back.customer_id FROM taken_back)
    UNION ALL
    SELECT * FROM latest_in_history
)

INSERT INTO mart.d_customer AS member (
    customer_id, first_name, last_name, city_id, latest_day, latest_line
)
SELECT
    customer_id,
    first_name,
    last_name,
    city_id,
    latest_day,
    latest_line
FROM latest
ON CONFLICT (customer_id) DO UPDATE SET
    first_name = excluded.first_name,
    last_name = excluded.last_name,
    city_id = excluded.city_id,
    latest_day = excluded.latest_day,
    latest_line = excluded.latest_line
WHERE
(member.latest_day = any(%(days)s) OR member.latest_day < excluded.latest_day)
AND member IS DISTINCT FROM excluded
