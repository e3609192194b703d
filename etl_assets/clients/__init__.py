"""What the pipeline talks to: the report API, the object store, the database and the webhook.

Here belong connections, time-outs, retries and the errors of each service. What a file or a table
means does not. The idea: plain classes that work without Dagster, with one retry layer for all.
"""
