-- Updates mart.d_item after days were staged: the name of each item comes from the latest staged
-- order, by (day, line).
--
-- A row of the dimension has the day and line of its latest order (latest_day, latest_line). If
-- that day is in this load and no longer has an order of the member, staging.item_day gives the
-- latest order in the other days. A member without any order is deleted. This statement also
-- updates staging.item_day, but all its parts see that table as it was before.
--
-- Parameters: days (date[]), the days that were just staged.
-- Safe to run twice: the result depends only on staging.
WITH RECURSIVE
-- Not `= any(...)`: there are no statistics of a new day, so PostgreSQL would expect one row.
loading AS (
    SELECT unnest(%(days)s::date[]) AS day
),

ordered_before AS (
    DELETE FROM staging.item_day
    WHERE partition_day IN (SELECT loading.day FROM loading)
    RETURNING item_id
),

latest_in_day AS (
    SELECT DISTINCT ON (item_id, partition_day)
        item_id,
        item_name,
        partition_day AS latest_day,
        line AS latest_line
    FROM staging.user_order_log
    WHERE partition_day IN (SELECT loading.day FROM loading)
    ORDER BY item_id ASC, partition_day DESC, line DESC
),

recorded AS (
    INSERT INTO staging.item_day (item_id, partition_day, line)
    SELECT
        item_id,
        latest_day,
        latest_line
    FROM latest_in_day
),

latest_in_days AS (
    SELECT DISTINCT ON (item_id) *
    FROM latest_in_day
    ORDER BY item_id ASC, latest_day DESC
),

taken_back AS (
    SELECT
        member.item_id,
        member.latest_day
    FROM mart.d_item AS member
    LEFT JOIN latest_in_days USING (item_id)
    WHERE
        member.item_id IN (SELECT ordered_before.item_id FROM ordered_before)
        AND member.latest_day IN (SELECT loading.day FROM loading)
        AND (latest_in_days.latest_day < member.latest_day) IS NOT FALSE
),

-- Finds the last day before, going back month by month, as the index does.
place_in_history AS (
    SELECT
        taken_back.item_id,
        etl.month(taken_back.latest_day) AS month,
        NULL::date AS partition_day,
        NULL::bigint AS line
    FROM taken_back
    UNION ALL
    SELECT
        place.item_id,
        (place.month - interval '1 month')::date AS month,
        latest.partition_day,
        latest.line
    FROM place_in_history AS place
    LEFT JOIN LATERAL (
        SELECT
            item_day.partition_day,
            item_day.line
        FROM staging.item_day
        WHERE
            etl.month(item_day.partition_day) = place.month
            AND item_day.item_id = place.item_id
            AND item_day.partition_day NOT IN (SELECT loading.day FROM loading)
        ORDER BY item_day.partition_day DESC
        LIMIT 1
    ) AS latest ON TRUE
    WHERE
        place.partition_day IS NULL
        AND place.month >= (SELECT etl.month(min(staged_day.partition_day)) FROM etl.staged_day)
),

latest_in_history AS (
    SELECT
        order_log.item_id,
        order_log.item_name,
        order_log.partition_day AS latest_day,
        order_log.line AS latest_line
    FROM place_in_history
    INNER JOIN staging.user_order_log AS order_log USING (partition_day, line)
),

latest AS (
    SELECT DISTINCT ON (item_id) *
    FROM (
        SELECT * FROM latest_in_days
        UNION ALL
        SELECT * FROM latest_in_history
    ) AS of_days_and_history
    ORDER BY item_id ASC, latest_day DESC
),

gone AS (
    DELETE FROM mart.d_item AS member
    USING taken_back
    LEFT JOIN latest USING (item_id)
    WHERE
        member.item_id = taken_back.item_id
        AND latest.item_id IS NULL
)

INSERT INTO mart.d_item AS member (
    item_id, item_name, latest_day, latest_line
)
SELECT
    item_id,
    item_name,
    latest_day,
    latest_line
FROM latest
ON CONFLICT (item_id) DO UPDATE SET
    item_name = excluded.item_name,
    latest_day = excluded.latest_day,
    latest_line = excluded.latest_line
WHERE
(member.latest_day = any(%(days)s) OR member.latest_day < excluded.latest_day)
AND member IS DISTINCT FROM excluded
