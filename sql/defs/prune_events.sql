-- Deletes the events of old runs from Dagster's storage, but for their start and end, the latest
-- materialization of each asset and day, and the latest result of each check and day.
--
-- Parameters: run_ids (text[]): the old runs; asset_keys (text[]): our assets, for events that
-- sensors report without a run (their run_id is empty); before (timestamp, UTC).
-- Rows: run_id of the runs that still have one of the latest events.
-- Safe to run twice: the second time there is nothing to delete.
WITH
latest AS (
    SELECT max(id) AS id
    FROM event_logs
    WHERE
        dagster_event_type IN (
            'ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'FRESHNESS_STATE_CHANGE'
        )
    GROUP BY dagster_event_type, asset_key, partition
    UNION ALL
    SELECT max(evaluation_event_storage_id)
    FROM asset_check_executions
    GROUP BY asset_key, check_name, partition
),

old AS (
    SELECT
        event_logs.id,
        event_logs.run_id,
        event_logs.dagster_event_type,
        event_logs.id IN (SELECT latest.id FROM latest) AS is_latest
    FROM event_logs
    WHERE
        (
            event_logs.run_id = any(%(run_ids)s::text[])
            OR (event_logs.run_id = '' AND event_logs.asset_key = any(%(asset_keys)s::text[]))
        )
        AND event_logs.timestamp < %(before)s::timestamp
),

deleted AS (
    DELETE FROM event_logs
    USING old
    WHERE
        event_logs.id = old.id
        AND NOT old.is_latest
        AND coalesce(old.dagster_event_type, '') NOT IN (
            'PIPELINE_START', 'PIPELINE_SUCCESS', 'PIPELINE_FAILURE', 'PIPELINE_CANCELED'
        )
    RETURNING event_logs.id
),

untagged AS (
    DELETE FROM asset_event_tags
    USING deleted
    WHERE asset_event_tags.event_id = deleted.id
)

SELECT DISTINCT run_id
FROM old
WHERE is_latest
