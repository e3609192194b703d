-- Deletes from Dagster's storage the results of checks that old runs have left, but for the latest
-- of each check, by day too.
--
-- Parameters: run_ids (text[]); asset_keys (text[]): ours, of which sensors report without a run:
-- its id is empty; before (timestamp, UTC).
-- Safe to run twice: the second time finds nothing to delete.
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
