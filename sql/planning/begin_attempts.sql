-- Records that a run begins the days of a feed.
--
-- Parameters: feed (text), days (date[]), run_id (text).
-- Safe to run twice: a run and day has one row, which stays as it is.
INSERT INTO etl.attempt (feed, partition_day, run_id)
SELECT
    %(feed)s AS feed,
    asked_for.partition_day,
    %(run_id)s AS run_id
FROM unnest(%(days)s::date[]) AS asked_for (partition_day)
ORDER BY asked_for.partition_day
ON CONFLICT (feed, partition_day, run_id) DO NOTHING
