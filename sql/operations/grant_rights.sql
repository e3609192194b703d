-- Grants the roles of sql/operations/roles.sql their rights, if the roles exist.
--
-- Default privileges cover relations that later migrations create, so neither loads nor BI are ever
-- locked out.
-- Parameters: none.
-- Safe to run twice: a right can be granted again.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'etl_writer') THEN
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO etl_writer', current_database());
        GRANT USAGE ON SCHEMA etl, staging, mart TO etl_writer;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA etl TO etl_writer;
        -- No DELETE: the history of loads stays.
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA etl TO etl_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA staging, mart TO etl_writer;
        -- Maintenance deletes old attempts.
        GRANT DELETE ON etl.attempt TO etl_writer;
        -- Only the owner records migrations.
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
