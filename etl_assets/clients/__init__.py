"""What the pipeline talks to: the report API, the object store, the database and the webhook.

Connections, time-outs, retries and the errors of each service belong here. The meaning of a file
or a table does not. The idea: plain classes that work without Dagster, and one retry layer.
"""
