-- Finds which column of each dimension the old facts refer to: the source's id or the table's own.
--
-- Runs on the old database. A foreign key decides. Without one, the id by which more of the facts
-- find a member decides. A number by which the two ids find different members is undecided.
-- Rows: dimension (item, city or customer), foreign_key (the column that it refers to, or null),
-- and counts of distinct numbers: those that find no member by the source's id (without_source_id)
-- or by the table's own id (without_table_id), and the undecided ones (undecided).
WITH
reference AS (
    SELECT DISTINCT
        'item' AS dimension,
        item_id::text AS number
    FROM mart.f_sales
    UNION ALL
    SELECT DISTINCT
        'city' AS dimension,
        city_id::text AS number
    FROM mart.f_sales
    UNION ALL
    SELECT DISTINCT
        'customer' AS dimension,
        customer_id::text AS number
    FROM mart.f_sales
),

member AS (
    SELECT
        'item' AS dimension,
        item_id::text AS source_id,
        to_jsonb(d_item) ->> 'id' AS table_id
    FROM mart.d_item
    UNION ALL
    SELECT
        'city' AS dimension,
        city_id::text AS source_id,
        to_jsonb(d_city) ->> 'id' AS table_id
    FROM mart.d_city
    UNION ALL
    SELECT
        'customer' AS dimension,
        customer_id::text AS source_id,
        to_jsonb(d_customer) ->> 'id' AS table_id
    FROM mart.d_customer
),

foreign_key AS (
    SELECT
        referring.attname AS column_name,
        referred.attname AS refers_to
    FROM pg_constraint
    INNER JOIN pg_attribute AS referring
        ON
            pg_constraint.conrelid = referring.attrelid
            AND pg_constraint.conkey = ARRAY[referring.attnum]
    INNER JOIN pg_attribute AS referred
        ON
            pg_constraint.confrelid = referred.attrelid
            AND pg_constraint.confkey = ARRAY[referred.attnum]
    WHERE
        pg_constraint.contype = 'f'
        AND pg_constraint.conrelid = 'mart.f_sales'::regclass
        AND pg_constraint.confrelid IN (
            'mart.d_item'::regclass, 'mart.d_city'::regclass, 'mart.d_customer'::regclass
        )
)

SELECT
    reference.dimension,
    min(foreign_key.refers_to) AS foreign_key,
    count(DISTINCT reference.number) FILTER (WHERE by_source_id.source_id IS NULL)
        AS without_source_id,
    count(DISTINCT reference.number) FILTER (WHERE by_table_id.table_id IS NULL)
        AS without_table_id,
    count(DISTINCT reference.number) FILTER (
        WHERE by_source_id.source_id IS NOT NULL AND by_table_id.source_id <> reference.number
    ) AS undecided
FROM reference
LEFT JOIN member AS by_source_id
    ON
        reference.dimension = by_source_id.dimension
        AND reference.number = by_source_id.source_id
LEFT JOIN member AS by_table_id
    ON
        reference.dimension = by_table_id.dimension
        AND reference.number = by_table_id.table_id
LEFT JOIN foreign_key ON reference.dimension || '_id' = foreign_key.column_name
GROUP BY reference.dimension
ORDER BY reference.dimension
