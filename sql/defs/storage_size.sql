-- Returns the rows and bytes of the tables in Dagster's storage that grow with each run.
--
-- Rows: one per table; bytes include indexes and the space of deleted rows.
SELECT
    name,
    rows,
    pg_total_relation_size(name::regclass) AS bytes
FROM (
    SELECT
        'runs' AS name,
        count(*) AS rows
    FROM runs
    UNION ALL
    SELECT
        'run_tags' AS name,
        count(*) AS rows
    FROM run_tags
    UNION ALL
    SELECT
        'event_logs' AS name,
        count(*) AS rows
    FROM event_logs
    UNION ALL
    SELECT
        'asset_event_tags' AS name,
        count(*) AS rows
    FROM asset_event_tags
    UNION ALL
    SELECT
        'asset_check_executions' AS name,
        count(*) AS rows
    FROM asset_check_executions
    UNION ALL
    SELECT
        'job_ticks' AS name,
        count(*) AS rows
    FROM job_ticks
) AS counts
ORDER BY name
