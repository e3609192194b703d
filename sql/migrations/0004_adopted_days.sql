-- Days carried over from the database of an older pipeline: no report of the source holds them.
-- depends: 0003_mart

ALTER TABLE etl.staged_day ALTER COLUMN report_id DROP NOT NULL;
ALTER TABLE etl.load ALTER COLUMN report_id DROP NOT NULL;

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY array['staged_day', 'load'] LOOP
        EXECUTE format('COMMENT ON COLUMN etl.%I.report_id IS %L', relation,
            'The report that the object belongs to; null for a day that was adopted from an old '
            'database.');
        EXECUTE format('COMMENT ON COLUMN etl.%I.uri IS %L', relation,
            'The object''s address, s3://bucket/key; of an adopted day that of the old table, '
            'postgresql://host:port/database/table.');
        EXECUTE format('COMMENT ON COLUMN etl.%I.etag IS %L', relation,
            'The ETag of the object; of an adopted day the SHA-256.');
        EXECUTE format('COMMENT ON COLUMN etl.%I.sha256 IS %L', relation,
            'The SHA-256 of the object''s bytes, in hex; of an adopted day that of its old rows '
            'as CSV.');
    END LOOP;
END
$$;

CREATE OR REPLACE VIEW mart.loaded_day AS
SELECT
    latest_load.partition_day,
    latest_load.rows_read AS rows,
    latest_load.kept AS orders,
    latest_load.loaded_at,
    latest_load.rejected,
    CASE
        WHEN latest_load.report_id IS NULL THEN regexp_replace(latest_load.uri, '^.*/', '')
    END AS adopted_from
FROM etl.latest_load AS latest_load;

COMMENT ON COLUMN mart.loaded_day.rows IS
'The day''s rows in the source, copies included; of an adopted day those of the old table.';
COMMENT ON COLUMN mart.loaded_day.adopted_from IS
'Null for a day loaded from the source. Else the table of the old database that the day was '
'carried over from: staging.user_order_log had the orders as they were delivered, mart.f_sales '
'the facts as the old pipeline had counted them.';
