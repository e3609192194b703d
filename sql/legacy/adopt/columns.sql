-- Lists the columns of the given tables in the old database.
--
-- Runs on the old database.
-- Parameters: tables (text[]): schema.table.
-- Rows: table_name, column_name. They include etl.load if the database is a warehouse of this
-- project.
SELECT
    old_table.name AS table_name,
    old_column.attname AS column_name
FROM unnest(%(tables)s::text[] || 'etl.load'::text) AS old_table (name)
INNER JOIN pg_attribute AS old_column ON old_column.attrelid = to_regclass(old_table.name)
WHERE
    old_column.attnum > 0
    AND NOT old_column.attisdropped
ORDER BY old_table.name, old_column.attname
