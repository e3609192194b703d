-- Returns why this session can't write, if it can't.
--
-- Rows: one, is_standby (boolean), is_read_only (boolean): whether default_transaction_read_only is
-- on for it.
SELECT
    pg_is_in_recovery() AS is_standby,
    current_setting('default_transaction_read_only')::boolean AS is_read_only
