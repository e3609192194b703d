-- The migrations applied here.
--
-- Rows: migration_id (text): the file's name without its ending.
SELECT migration_id
FROM etl._yoyo_migration
ORDER BY migration_id
