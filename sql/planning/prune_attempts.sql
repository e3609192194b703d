-- Deletes old attempts, but for failed ones since their day's last load.
--
-- Parameters: keep_days (integer): the age in days from which they are old.
-- Safe to run twice: the second time there is nothing to delete.
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
