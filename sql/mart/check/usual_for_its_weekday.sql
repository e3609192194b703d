-- Compares the rows and orders of loaded days with the median of the same weekday in the four weeks
-- before. A day that is far off may have been delivered incomplete.
--
-- The source's rows vary little (800 to 1,200 a day): less than half or more than twice is far off.
-- Its orders vary from 18 to 523: less than a twentieth or more than twenty times is far off. Days
-- with fewer than two such weeks are left out. Adopted days don't count, because an old database
-- has other rows than the source.
-- Parameters: days (date[]).
-- Rows: partition_day, rows_read, usual_rows, loaded, usual_orders, is_unusual; by day.
WITH
usual AS (
    SELECT
        loading.partition_day,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY before.rows_read) AS usual_rows,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY before.loaded) AS usual_orders
    FROM unnest(%(days)s::date[]) AS loading (partition_day)
    INNER JOIN etl.latest_load AS before
        ON before.partition_day IN (
            loading.partition_day - 7,
            loading.partition_day - 14,
            loading.partition_day - 21,
            loading.partition_day - 28
        )
    WHERE before.report_id IS NOT NULL
    GROUP BY loading.partition_day
    HAVING count(*) >= 2
)

SELECT
    usual.partition_day,
    latest_load.rows_read,
    usual.usual_rows,
    latest_load.loaded,
    usual.usual_orders,
    (
        latest_load.rows_read NOT BETWEEN usual.usual_rows / 2 AND usual.usual_rows * 2
        OR latest_load.loaded NOT BETWEEN usual.usual_orders / 20 AND usual.usual_orders * 20
    ) AS is_unusual
FROM usual
INNER JOIN etl.latest_load USING (partition_day)
ORDER BY usual.partition_day
