-- Records the load of days in the mart's own transaction: the object that the rows were staged
-- from, and their counts. Marks the staged days as loaded.
--
-- A load of a day that was loaded as it is staged has read and changed nothing.
-- Parameters: days (date[]), run_id (text), seconds (jsonb: by phase, of the mart).
-- Safe to run twice: a run and day has one row, which becomes the newest row of the day.
WITH
recorded AS (
    INSERT INTO etl.load (
        partition_day, run_id, uri, etag, sha256, report_id, increment_id,
        rows_read, duplicates, rejected, loaded, revenue, changes, seconds
    )
    SELECT
        staged_day.partition_day,
        %(run_id)s AS run_id,
        staged_day.uri,
        staged_day.etag,
        staged_day.sha256,
        staged_day.report_id,
        staged_day.increment_id,
        staged_day.rows_read,
        staged_day.duplicates,
        staged_day.rejected,
        staged_day.loaded,
        coalesce(sum(f_sales.payment_amount), 0) AS revenue,
        CASE
            WHEN earlier.load_id IS NULL THEN staged_day.changes
            ELSE jsonb_build_object(
                'added', 0,
                'gone', 0,
                'altered', 0,
                'revenue_before', staged_day.changes -> 'revenue_after',
                'revenue_after', staged_day.changes -> 'revenue_after'
            )
        END AS changes,
        CASE WHEN earlier.load_id IS NULL THEN staged_day.seconds ELSE '{}' END
        || %(seconds)s AS seconds
    FROM etl.staged_day
    LEFT JOIN mart.f_sales ON f_sales.date_id = etl.date_id(staged_day.partition_day)
    LEFT JOIN etl.load AS earlier
        ON staged_day.load_id = earlier.load_id AND earlier.run_id <> %(run_id)s
    WHERE staged_day.partition_day = any(%(days)s)
    GROUP BY staged_day.partition_day, earlier.load_id
    ORDER BY staged_day.partition_day
    ON CONFLICT (partition_day, run_id) DO UPDATE
        SET
            load_id = DEFAULT,
            uri = excluded.uri,
            etag = excluded.etag,
            sha256 = excluded.sha256,
            report_id = excluded.report_id,
            increment_id = excluded.increment_id,
            rows_read = excluded.rows_read,
            duplicates = excluded.duplicates,
            rejected = excluded.rejected,
            loaded = excluded.loaded,
            revenue = excluded.revenue,
            changes = excluded.changes,
            seconds = excluded.seconds,
            loaded_at = now()
    RETURNING partition_day, load_id
)

UPDATE etl.staged_day
SET load_id = recorded.load_id
FROM recorded
WHERE staged_day.partition_day = recorded.partition_day
