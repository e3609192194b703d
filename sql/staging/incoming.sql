-- A session's own table that a file's orders are copied into, outside the writer lock.
--
-- Parameters: none.
-- Safe to run twice: an earlier one is dropped.
DROP TABLE IF EXISTS pg_temp.incoming;

CREATE TEMPORARY TABLE incoming (
    partition_day date,
    line bigint,
    uniq_id text,
    date_time timestamp,
    city_id bigint,
    city_name text,
    customer_id bigint,
    first_name text,
    last_name text,
    item_id bigint,
    item_name text,
    quantity bigint,
    payment_amount numeric(14, 2),
    status text
)
