-- Returns the columns of a table or view from the catalog.
--
-- Parameters: relation (text): schema.relation.
-- Rows: name, type, nullable, description (the COMMENT), in the table's order.
SELECT
    attname AS name,
    format_type(atttypid, atttypmod) AS type,
    NOT attnotnull AS nullable,
    coalesce(col_description(attrelid, attnum), '') AS description
FROM pg_attribute
WHERE
    attrelid = %(relation)s::regclass
    AND attnum > 0
    AND NOT attisdropped
ORDER BY attnum
