-- The days that the mart's transaction has to load: those asked for, and those that staging holds
-- and the mart does not yet because a run ended in between. So whatever ends when, the mart is made
-- of all that staging holds.
--
-- Parameters: days (date[]), asked for; only_unloaded (boolean): of those asked for, leave out what
-- the mart holds already.
-- Rows: partition_day, is_every_staged_day (whether staging holds no other).
SELECT
    partition_day,
    every(to_load) OVER () AS is_every_staged_day
FROM (
    SELECT
        partition_day,
        load_id IS null OR (partition_day = any(%(days)s) AND NOT %(only_unloaded)s) AS to_load
    FROM etl.staged_day
) AS staged_day
WHERE to_load
