-- The newest migration that was applied; those before it were too.
--
-- Rows: one, name (text): the file's name without its ending.
SELECT version_num AS name
FROM etl.alembic_version
