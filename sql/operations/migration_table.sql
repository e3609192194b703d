-- Whether any migration was ever applied here.
--
-- Rows: one, name (text): the migration library's table, null where it is missing.
SELECT to_regclass('etl._yoyo_migration')::text AS name
