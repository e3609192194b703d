-- The columns that the old database has of the tables asked for, and whether it is one of ours.
--
-- On the old database.
-- Parameters: tables (text[]): schema.table.
-- Rows: table_name, column_name; etl.load for a table that only a warehouse of this project has.
SELECT
    old_table.name AS table_name,
    old_column.attname AS column_name
FROM unnest(%(tables)s::text[] || 'etl.load'::text) AS old_table (name)
INNER JOIN pg_attribute AS old_column ON old_column.attrelid = to_regclass(old_table.name)
WHERE
    old_column.attnum > 0
    AND NOT old_column.attisdropped
ORDER BY old_table.name, old_column.attname
