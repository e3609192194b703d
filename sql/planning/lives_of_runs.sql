-- Returns which runs are alive, and which have open attempts.
--
-- A live run holds its lock. After a restart of the server the runs take their locks again within
-- some time; until then no run counts as killed.
-- Parameters: run_ids (text[]), run_lock (integer): the class of the locks of runs, grace_seconds
-- (the time after the start of the server).
-- Rows: run_id, is_alive, is_open (whether it has an attempt that is not complete).
WITH shown AS (
    SELECT pg_locks.objid
    FROM pg_locks
    INNER JOIN pg_database ON pg_locks.database = pg_database.oid
    WHERE
        pg_locks.locktype = 'advisory'
        AND pg_locks.classid = %(run_lock)s::oid
        AND pg_locks.granted
        AND pg_database.datname = current_database()
)

SELECT
    run_id,
    pg_postmaster_start_time() > clock_timestamp() - make_interval(secs => %(grace_seconds)s)
    OR hashtext(run_id)::oid IN (SELECT shown.objid FROM shown) AS is_alive,
    run_id IN (
        SELECT attempt.run_id
        FROM etl.attempt
        WHERE attempt.run_id = any(%(run_ids)s::text[]) AND attempt.outcome IS NULL
    ) AS is_open
FROM unnest(%(run_ids)s::text[]) AS runs (run_id)
