-- Creates the transaction's own table for the rejected rows of the files that it loads.
--
-- Parameters: none.
CREATE TEMPORARY TABLE incoming_rejected (
    file integer,
    line bigint,
    partition_day date,
    fields jsonb,
    reason text
) ON COMMIT DROP
