-- Returns all loads of the days: the object, the counts, the changes, and the seconds of each
-- phase.
--
-- Parameters: days (date[]).
-- Rows: one per load, in their order; seconds (jsonb) by phase.
SELECT
    partition_day,
    loaded_at,
    uri,
    etag,
    sha256,
    report_id,
    increment_id,
    rows_read,
    duplicates,
    rejected,
    loaded,
    revenue,
    seconds,
    run_id,
    (changes ->> 'added')::bigint AS orders_added,
    (changes ->> 'gone')::bigint AS orders_gone,
    (changes ->> 'altered')::bigint AS orders_altered,
    (changes ->> 'revenue_before')::numeric AS revenue_before,
    (changes ->> 'revenue_after')::numeric AS revenue_after
FROM etl.load
WHERE partition_day = any(%(days)s::date[])
ORDER BY load_id
