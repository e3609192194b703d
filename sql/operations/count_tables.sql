-- Returns the number of tables in the database, without PostgreSQL's own.
SELECT count(*)
FROM pg_tables
WHERE schemaname NOT IN ('information_schema', 'pg_catalog')
