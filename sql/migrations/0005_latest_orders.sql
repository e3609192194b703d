-- The last order of each member in each loaded day, so that the dimensions find a member's latest
-- order in history without an index over all orders. That index made loading a file into staging
-- three times as slow.
-- depends: 0004_adopted_days

DROP INDEX staging.user_order_log_customer_id_partition_day_line;

CREATE TABLE staging.item_day (
    item_id bigint NOT NULL,
    partition_day date NOT NULL,
    line bigint NOT NULL
);

CREATE INDEX item_day_item_id_partition_day
ON staging.item_day (item_id, partition_day) INCLUDE (line);
CREATE INDEX item_day_partition_day
ON staging.item_day (partition_day);

COMMENT ON TABLE staging.item_day IS
'The last order of each item in each day that the mart holds.';
COMMENT ON COLUMN staging.item_day.item_id IS 'The item.';
COMMENT ON COLUMN staging.item_day.partition_day IS 'The day.';
COMMENT ON COLUMN staging.item_day.line IS 'The line of the order in user_order_log.';

INSERT INTO staging.item_day (item_id, partition_day, line)
SELECT
    order_log.item_id,
    order_log.partition_day,
    max(order_log.line) AS line
FROM staging.user_order_log AS order_log
INNER JOIN etl.staged_day ON order_log.partition_day = staged_day.partition_day
WHERE staged_day.load_id IS NOT NULL
GROUP BY order_log.item_id, order_log.partition_day
UNION ALL
-- Of days that are staged anew and not loaded yet, only the members know what the mart holds.
SELECT
    d_item.item_id,
    d_item.latest_day AS partition_day,
    d_item.latest_line AS line
FROM mart.d_item
INNER JOIN etl.staged_day ON d_item.latest_day = staged_day.partition_day
WHERE staged_day.load_id IS NULL;

CREATE TABLE staging.city_day (
    city_id bigint NOT NULL,
    partition_day date NOT NULL,
    line bigint NOT NULL
);

CREATE INDEX city_day_city_id_partition_day
ON staging.city_day (city_id, partition_day) INCLUDE (line);
CREATE INDEX city_day_partition_day
ON staging.city_day (partition_day);

COMMENT ON TABLE staging.city_day IS
'The last order of each city in each day that the mart holds.';
COMMENT ON COLUMN staging.city_day.city_id IS 'The city.';
COMMENT ON COLUMN staging.city_day.partition_day IS 'The day.';
COMMENT ON COLUMN staging.city_day.line IS 'The line of the order in user_order_log.';

INSERT INTO staging.city_day (city_id, partition_day, line)
SELECT
    order_log.city_id,
    order_log.partition_day,
    max(order_log.line) AS line
FROM staging.user_order_log AS order_log
INNER JOIN etl.staged_day ON order_log.partition_day = staged_day.partition_day
WHERE staged_day.load_id IS NOT NULL
GROUP BY order_log.city_id, order_log.partition_day
UNION ALL
-- Of days that are staged anew and not loaded yet, only the members know what the mart holds.
SELECT
    d_city.city_id,
    d_city.latest_day AS partition_day,
    d_city.latest_line AS line
FROM mart.d_city
INNER JOIN etl.staged_day ON d_city.latest_day = staged_day.partition_day
WHERE staged_day.load_id IS NULL;

CREATE TABLE staging.customer_day (
    customer_id bigint NOT NULL,
    partition_day date NOT NULL,
    line bigint NOT NULL
);

CREATE INDEX customer_day_customer_id_partition_day
ON staging.customer_day (customer_id, partition_day) INCLUDE (line);
CREATE INDEX customer_day_partition_day
ON staging.customer_day (partition_day);

COMMENT ON TABLE staging.customer_day IS
'The last order of each customer in each day that the mart holds.';
COMMENT ON COLUMN staging.customer_day.customer_id IS 'The customer.';
COMMENT ON COLUMN staging.customer_day.partition_day IS 'The day.';
COMMENT ON COLUMN staging.customer_day.line IS 'The line of the order in user_order_log.';

INSERT INTO staging.customer_day (customer_id, partition_day, line)
SELECT
    order_log.customer_id,
    order_log.partition_day,
    max(order_log.line) AS line
FROM staging.user_order_log AS order_log
INNER JOIN etl.staged_day ON order_log.partition_day = staged_day.partition_day
WHERE staged_day.load_id IS NOT NULL
GROUP BY order_log.customer_id, order_log.partition_day
UNION ALL
-- Of days that are staged anew and not loaded yet, only the members know what the mart holds.
SELECT
    d_customer.customer_id,
    d_customer.latest_day AS partition_day,
    d_customer.latest_line AS line
FROM mart.d_customer
INNER JOIN etl.staged_day ON d_customer.latest_day = staged_day.partition_day
WHERE staged_day.load_id IS NULL;
