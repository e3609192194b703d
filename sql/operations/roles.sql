-- Creates the warehouse's two roles. For an administrator, once a server:
--
--     psql --dbname=postgres --file=sql/operations/roles.sql
--
-- They are groups: nobody logs in as them, users are made their members. What they may do is
-- granted by `etl-assets migrate`, in the database that it migrates, every time that it is run.
--
-- etl_writer is for the pipeline: it loads, but neither changes the schema nor deletes history.
-- etl_reader is for BI: it reads schema mart, and nothing else.
--
-- Needs CREATEROLE. Safe to run twice: a role that is there stays as it is.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'etl_writer') THEN
        CREATE ROLE etl_writer NOLOGIN;
        COMMENT ON ROLE etl_writer IS 'Loads the warehouse of etl_assets.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'etl_reader') THEN
        CREATE ROLE etl_reader NOLOGIN;
        COMMENT ON ROLE etl_reader IS 'Reads the mart of etl_assets.';
    END IF;
END
$$;
