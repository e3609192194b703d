-- Switches off transaction_timeout, which exists from PostgreSQL 17 on; see settings.sql.
--
-- Parameters: none.
SET LOCAL transaction_timeout = 0;
