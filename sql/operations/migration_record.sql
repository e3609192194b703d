-- Returns whether the table of applied migrations exists. Without it none was applied.
--
-- Rows: one, name (text): the table, null if it is missing.
SELECT to_regclass('etl.alembic_version')::text AS name
