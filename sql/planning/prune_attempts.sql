-- Deletes old attempts, but not those that failed since their day was loaded last.
--
-- Parameters: keep_days (integer): how old they have to be.
-- Safe to run twice.
DELETE FROM etl.attempt
WHERE
    began_at < now() - make_interval(days => %(keep_days)s)
    AND NOT EXISTS (
        SELECT
        FROM etl.failed_attempt AS failed
        WHERE
            failed.feed = attempt.feed
            AND failed.partition_day = attempt.partition_day
            AND failed.run_id = attempt.run_id
    )
