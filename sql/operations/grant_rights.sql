-- Grants the roles of sql/operations/roles.sql, as far as they are there, what each of them may do.
--
-- What later migrations make is granted when it is made: neither loads nor BI are ever locked out.
-- Parameters: none.
-- Safe to run twice.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'etl_writer') THEN
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO etl_writer', current_database());
        GRANT USAGE ON SCHEMA etl, staging, mart TO etl_writer;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA etl TO etl_writer;
        -- No DELETE: what was loaded stays known.
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA etl TO etl_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA staging, mart TO etl_writer;
        -- Old tries are removed with the runs that made them.
        GRANT DELETE ON etl.attempt TO etl_writer;
        -- The record of migrations is the owner's.
        REVOKE INSERT, UPDATE ON etl.alembic_version FROM etl_writer;

        ALTER DEFAULT PRIVILEGES IN SCHEMA etl GRANT EXECUTE ON FUNCTIONS TO etl_writer;
        ALTER DEFAULT PRIVILEGES IN SCHEMA etl
        GRANT SELECT, INSERT, UPDATE ON TABLES TO etl_writer;
        ALTER DEFAULT PRIVILEGES IN SCHEMA staging, mart
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO etl_writer;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'etl_reader') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO etl_reader', current_database());
        GRANT USAGE ON SCHEMA mart TO etl_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA mart TO etl_reader;

        ALTER DEFAULT PRIVILEGES IN SCHEMA mart GRANT SELECT ON TABLES TO etl_reader;
    END IF;
END
$$
