-- What settings.sql does, for a time limit that PostgreSQL has since version 17.
--
-- Parameters: none.
SET LOCAL transaction_timeout = 0;
