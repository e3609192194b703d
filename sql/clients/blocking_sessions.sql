-- The sessions that another one waits for, because they hold a lock or are before it in its queue.
--
-- Parameters: pid (integer): the server's process of the session that waits.
-- Rows: pid (integer), application_name (text), user_name (text), state (text), client_addr (text,
-- null where the session is local or hidden from this user), since (timestamptz): the beginning of
-- its transaction, null where it is hidden; the oldest first.
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
