-- Returns the newest migration that was applied. All before it were applied too.
--
-- Rows: one, name (text): the file's name without its ending.
SELECT version_num AS name
FROM etl.alembic_version
