-- What a transaction's statements mean and how long they may take, whatever the environment, the
-- role, the database or the address say.
--
-- Executed at the beginning of each transaction, and undone at its end: a connection from a pool
-- belongs to somebody else after that.
-- Parameters: none.
-- Rows: of the last statement, one, pid (integer): the server's process of this transaction.
SET LOCAL client_encoding = 'UTF8';
SET LOCAL datestyle = 'ISO, MDY';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL timezone = 'UTC';
SET LOCAL quote_all_identifiers = off;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL transform_null_equals = off;
SET LOCAL array_nulls = on;
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;
SET LOCAL lc_numeric = 'C';
SET LOCAL lc_monetary = 'C';
SET LOCAL lc_time = 'C';
-- A load takes as long as it takes, as a dump does; a reader in a hurry has its own limit.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
-- A client that vanishes without a word is noticed after a minute, and loses its locks.
SET LOCAL tcp_keepalives_idle = 30;
SET LOCAL tcp_keepalives_interval = 10;
SET LOCAL tcp_keepalives_count = 3;
-- Compiled, a day's load takes 1.6 times as long: its statements are estimated at much, and short.
SET LOCAL jit = off;
-- A day's rows lie side by side. Taken for scattered over a turning disk, they seem dearer than all
-- of history, up to some ten million facts, and a week's figures are made by reading that.
SET LOCAL random_page_cost = 1.1;
-- A pool gives its client another number.
SELECT pg_backend_pid() AS pid;
