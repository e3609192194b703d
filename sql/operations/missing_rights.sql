-- Returns the rights that loading needs and this user lacks: those that
-- sql/operations/grant_rights.sql grants to etl_writer.
--
-- It reads only the catalog, so any user who may connect can run it.
-- Rows: name (text), such as: INSERT, UPDATE on etl.load.
WITH
needed AS (
    SELECT
        schemata.schema_name,
        unnest(schemata.rights) AS on_table
    FROM (
        VALUES
        ('etl', ARRAY['SELECT', 'INSERT', 'UPDATE']),
        ('staging', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
        ('mart', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
    ) AS schemata (schema_name, rights)
),

missing AS (
    SELECT
        'TEMPORARY' AS privilege,
        format('database %I', current_database()) AS object
    WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
    UNION ALL
    SELECT
        'USAGE' AS privilege,
        format('schema %I', nspname) AS object
    FROM pg_namespace
    WHERE
        nspname IN (SELECT needed.schema_name FROM needed)
        AND NOT has_schema_privilege(oid, 'USAGE')
    UNION ALL
    SELECT
        needed.on_table AS privilege,
        format('%I.%I', needed.schema_name, relation.relname) AS object
    FROM needed
    INNER JOIN pg_namespace AS namespace ON needed.schema_name = namespace.nspname
    INNER JOIN pg_class AS relation ON namespace.oid = relation.relnamespace
    WHERE
        relation.relkind IN ('r', 'p', 'v')
        -- Views and the record of migrations are only read.
        AND (
            needed.on_table = 'SELECT'
            OR (relation.relkind != 'v' AND relation.relname != 'alembic_version')
        )
        -- A user without USAGE on the schema is told that first.
        AND has_schema_privilege(namespace.oid, 'USAGE')
        AND NOT has_table_privilege(relation.oid, needed.on_table)
    UNION ALL
    -- Maintenance deletes old attempts.
    SELECT
        'DELETE' AS privilege,
        'etl.attempt' AS object
    FROM pg_class AS relation
    INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
    WHERE
        namespace.nspname = 'etl'
        AND relation.relname = 'attempt'
        AND has_schema_privilege(namespace.oid, 'USAGE')
        AND NOT has_table_privilege(relation.oid, 'DELETE')
)

SELECT format('%s on %s', string_agg(privilege, ', ' ORDER BY privilege), object) AS name
FROM missing
GROUP BY object
ORDER BY object
