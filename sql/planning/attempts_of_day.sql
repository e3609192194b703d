-- Returns the attempts to load a day, with their outcome.
--
-- Parameters: feed (text), day (date), run_lock (integer): the class of the locks of runs.
-- Rows: began_at, ended_at, outcome (null if the run was killed or has not ended), error, uri,
-- etag, run_id, is_running (whether the run holds its lock); the newest last.
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
    began_at,
    ended_at,
    outcome,
    error,
    uri,
    etag,
    run_id,
    outcome IS NULL AND hashtext(run_id)::oid IN (SELECT shown.objid FROM shown) AS is_running
FROM etl.attempt
WHERE feed = %(feed)s AND partition_day = %(day)s
ORDER BY began_at, run_id
