-- Whether the record of migrations is there: without it none was ever applied.
--
-- Rows: one, name (text): its table, null where it is missing.
SELECT to_regclass('etl.alembic_version')::text AS name
