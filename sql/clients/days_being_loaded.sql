-- Returns the days for which a session holds the lock of a day being loaded.
--
-- Parameters: day_lock (integer): the class of those locks.
-- Rows: day_number (bigint).
SELECT DISTINCT pg_locks.objid::bigint AS day_number
FROM pg_locks
INNER JOIN pg_database ON pg_locks.database = pg_database.oid
WHERE
    pg_locks.locktype = 'advisory'
    AND pg_locks.classid = %(day_lock)s::oid
    AND pg_locks.granted
    AND pg_database.datname = current_database()
