-- The old facts beside ours, for as long as the transaction lasts that compares the two.
--
-- Safe to run twice: each transaction has a table of its own.
CREATE TEMPORARY TABLE old_sales (
    partition_day date,
    customer_id bigint,
    item_id bigint,
    quantity numeric,
    payment_amount numeric
) ON COMMIT DROP
