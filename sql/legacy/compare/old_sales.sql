-- Creates the table for the old facts, in our warehouse, until the end of the transaction.
--
-- Safe to run twice: each transaction has its own table.
CREATE TEMPORARY TABLE old_sales (
    partition_day date,
    customer_id bigint,
    item_id bigint,
    quantity numeric,
    payment_amount numeric
) ON COMMIT DROP
