-- How many tables the database has, PostgreSQL's own not counted.
SELECT count(*)
FROM pg_tables
WHERE schemaname NOT IN ('information_schema', 'pg_catalog')
