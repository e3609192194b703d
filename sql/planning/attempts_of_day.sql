-- The attempts to load a day, with what became of them.
--
-- Parameters: feed (text), day (date), run_lock (integer): the class of the locks of runs.
-- Rows: began_at, ended_at, outcome (null where the run was killed, or has not ended yet),
-- is_running (whether the run holds its lock), error, uri, etag, run_id; the newest last.
SELECT
    began_at,
    ended_at,
    outcome,
    error,
    uri,
    etag,
    run_id,
    outcome IS NULL AND EXISTS (
        SELECT
        FROM pg_locks
        INNER JOIN pg_database ON pg_locks.database = pg_database.oid
        WHERE
            pg_locks.locktype = 'advisory'
            AND pg_locks.classid = %(run_lock)s::oid
            AND pg_locks.objid = hashtext(attempt.run_id)::oid
            AND pg_locks.granted
            AND pg_database.datname = current_database()
    ) AS is_running
FROM etl.attempt AS attempt
WHERE feed = %(feed)s AND partition_day = %(day)s
ORDER BY began_at, run_id
