-- Fixes the settings that decide what the statements of a transaction mean and how long they may
-- take, whatever the environment, the role, the database or the address set.
--
-- It runs at the beginning of each transaction and lasts until its end, because a pooled connection
-- serves other clients after that.
-- Parameters: none.
-- Rows: of the last statement, one, pid (integer): the server process of this transaction.
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
-- No limit for loads and dumps; a tick sets its own afterwards.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
-- A client that vanishes silently is noticed after a minute, and its locks are released.
SET LOCAL tcp_keepalives_idle = 30;
SET LOCAL tcp_keepalives_interval = 10;
SET LOCAL tcp_keepalives_count = 3;
-- With JIT a day's load takes 1.6 times as long: its statements are short but estimated costly.
SET LOCAL jit = off;
-- A day's rows are adjacent. With the default cost of random reads the planner prefers to read all
-- facts for a week, up to some ten million facts.
SET LOCAL random_page_cost = 1.1;
-- A pooler shows its client another number.
SELECT pg_backend_pid() AS pid;
