-- Records the version of the object from which a run tries to load each day.
--
-- Parameters: feed (text), run_id (text), and in parallel days (date[]), uris (text[]), etags
-- (text[]).
-- Safe to run twice: it sets the same values.
UPDATE etl.attempt
SET
    uri = found.uri,
    etag = found.etag
FROM
    unnest(%(days)s::date[], %(uris)s::text[], %(etags)s::text[])
        AS found (partition_day, uri, etag)
WHERE
    attempt.feed = %(feed)s
    AND attempt.run_id = %(run_id)s
    AND attempt.partition_day = found.partition_day
    AND attempt.outcome IS NULL
