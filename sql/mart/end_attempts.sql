-- Completes a run's attempts in the transaction that loads its days. The days that it loads are
-- "loaded", the run's other days "unchanged".
--
-- Parameters: feed (text), run_id (text), days (date[]): the days loaded.
-- Safe to run twice: complete attempts stay as they are.
UPDATE etl.attempt
SET
    uri = staged_day.uri,
    etag = staged_day.etag,
    outcome = CASE
        WHEN attempt.partition_day = any(%(days)s::date[]) THEN 'loaded' ELSE 'unchanged'
    END,
    ended_at = clock_timestamp()
FROM etl.staged_day
WHERE
    attempt.feed = %(feed)s
    AND attempt.run_id = %(run_id)s
    AND attempt.outcome IS NULL
    AND staged_day.partition_day = attempt.partition_day
