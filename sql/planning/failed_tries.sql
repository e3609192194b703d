-- Counts the failed attempts of a day since its last load.
--
-- Parameters: feed (text), day (date), etag (text): the version of the object; null for any.
-- Rows: one: tries (of the version, or before the object was known), of_version (of the version
-- alone), last (when the newest ended; null without any), ago (interval since then, by the
-- database's clock).
SELECT
    count(*) AS tries,
    count(*) FILTER (WHERE %(etag)s::text IS NULL OR etag = %(etag)s) AS of_version,
    max(ended_at) AS last,
    clock_timestamp() - max(ended_at) AS ago
FROM etl.failed_attempt
WHERE
    feed = %(feed)s
    AND partition_day = %(day)s
    AND (%(etag)s::text IS NULL OR etag IS NULL OR etag = %(etag)s)
