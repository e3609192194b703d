-- Creates what docker-compose.yml's PostgreSQL needs beside the database of the warehouse: the users
-- that load it and that keep Dagster's runs, and Dagster's own database. For psql, once, by the
-- image's entry point, after sql/operations/roles.sql.
\getenv password PIPELINE_PASSWORD
CREATE ROLE pipeline LOGIN PASSWORD :'password' IN ROLE etl_writer;
CREATE ROLE dagster LOGIN PASSWORD :'password';
CREATE DATABASE dagster OWNER dagster;
