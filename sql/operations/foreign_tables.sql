-- Returns the relations in our schemas. In a database without migrations they are somebody else's.
--
-- Rows: name (text): schema.relation.
SELECT format('%I.%I', namespace.nspname, relation.relname) AS name
FROM pg_class AS relation
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE
    namespace.nspname IN ('etl', 'staging', 'mart')
    AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY name
