"""Dagster's webserver and daemon as they run in production, on dagster-postgres."""
