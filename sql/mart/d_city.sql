-- Updates mart.d_city after days were staged: the name of each city comes from the latest staged
-- order, by (day, line).
--
-- A row of the dimension has the day and line of its latest order (latest_day, latest_line). If
-- that day is in this load and no longer has an order of the member, staging.city_day gives the
-- latest order in the other days. A member without any order is deleted. This statement also
-- updates staging.city_day, but all its parts see that table as it was before.
--
-- Parameters: days (date[]), the days that were just staged.
-- Safe to run twice: the result depends only on staging.
WITH RECURSIVE
-- Not `= any(...)`: there are no statistics of a new day, so PostgreSQL would expect one row.
loading AS (
    SELECT unnest(%(days)s::date[]) AS day
),

ordered_before AS (
    DELETE FROM staging.city_day
    WHERE partition_day IN (SELECT loading.day FROM loading)
    RETURNING city_id
),

latest_in_day AS (
    SELECT DISTINCT ON (city_id, partition_day)
        city_id,
        city_name,
        partition_day AS latest_day,
        line AS latest_line
    FROM staging.user_order_log
    WHERE partition_day IN (SELECT loading.day FROM loading)
    ORDER BY city_id ASC, partition_day DESC, line DESC
),

recorded AS (
    INSERT INTO staging.city_day (city_id, partition_day, line)
    SELECT
        city_id,
        latest_day,
        latest_line
    FROM latest_in_day
),

latest_in_days AS (
    SELECT DISTINCT ON (city_id) *
    FROM latest_in_day
    ORDER BY city_id ASC, latest_day DESC
),

taken_back AS (
    SELECT
        member.city_id,
        member.latest_day
    FROM mart.d_city AS member
    LEFT JOIN latest_in_days USING (city_id)
    WHERE
        member.city_id IN (SELECT ordered_before.city_id FROM ordered_before)
        AND member.latest_day IN (SELECT loading.day FROM loading)
        AND (latest_in_days.latest_day < member.latest_day) IS NOT FALSE
),

-- Finds the last day before, going back month by month, as the index does.
place_in_history AS (
    SELECT
        taken_back.city_id,
        etl.month(taken_back.latest_day) AS month,
        NULL::date AS partition_day,
        NULL::bigint AS line
    FROM taken_back
    UNION ALL
    SELECT
        place.city_id,
        (place.month - interval '1 month')::date AS month,
        latest.partition_day,
        latest.line
    FROM place_in_history AS place
    LEFT JOIN LATERAL (
        SELECT
            city_day.partition_day,
            city_day.line
        FROM staging.city_day
        WHERE
            etl.month(city_day.partition_day) = place.month
            AND city_day.city_id = place.city_id
            AND city_day.partition_day NOT IN (SELECT loading.day FROM loading)
        ORDER BY city_day.partition_day DESC
        LIMIT 1
    ) AS latest ON TRUE
    WHERE
        place.partition_day IS NULL
        AND place.month >= (SELECT etl.month(min(staged_day.partition_day)) FROM etl.staged_day)
),

latest_in_history AS (
    SELECT
        order_log.city_id,
        order_log.city_name,
        order_log.partition_day AS latest_day,
        order_log.line AS latest_line
    FROM place_in_history
    INNER JOIN staging.user_order_log AS order_log USING (partition_day, line)
),

latest AS (
    SELECT DISTINCT ON (city_id) *
    FROM (
        SELECT * FROM latest_in_days
        UNION ALL
        SELECT * FROM latest_in_history
    ) AS of_days_and_history
    ORDER BY city_id ASC, latest_day DESC
),

gone AS (
    DELETE FROM mart.d_city AS member
    USING taken_back
    LEFT JOIN latest USING (city_id)
    WHERE
        member.city_id = taken_back.city_id
        AND latest.city_id IS NULL
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
