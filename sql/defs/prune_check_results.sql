-- Deletes old results of checks from Dagster's storage, but for the latest of each check and day.
--
-- Parameters: run_ids (text[]): the old runs; asset_keys (text[]): our assets, for results that
-- sensors report without a run (their run_id is empty); before (timestamp, UTC).
-- Safe to run twice: the second time there is nothing to delete.
DELETE FROM asset_check_executions
WHERE
    (
        run_id = any(%(run_ids)s::text[])
        OR (run_id = '' AND asset_key = any(%(asset_keys)s::text[]))
    )
    AND create_timestamp < %(before)s::timestamp
    AND id NOT IN (
        SELECT max(id)
        FROM asset_check_executions
        GROUP BY asset_key, check_name, partition
    )
