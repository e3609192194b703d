-- Returns the sessions that another session waits for: they hold the lock, or precede it in the
-- queue.
--
-- Parameters: pid (integer): the server process of the waiting session.
-- Rows: pid (integer), application_name (text), user_name (text), state (text), client_addr (text,
-- null if the session is local or hidden from this user), since (timestamptz): the start of its
-- transaction, null if hidden; the oldest first.
SELECT
    pid,
    application_name,
    usename AS user_name,
    state,
    host(client_addr) AS client_addr,
    date_trunc('second', xact_start) AS since
FROM pg_stat_activity
WHERE pid = any(pg_blocking_pids(%(pid)s))
ORDER BY xact_start NULLS LAST, pid
