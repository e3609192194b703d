"""Celery's workers, which runs are handed to where they are on many hosts.

    celery --app=etl_assets.instance.celery_workers worker --loglevel=INFO

The broker is the one that Celery's own variables name, CELERY_BROKER_URL and CELERY_RESULT_BACKEND.
Not `dagster-celery worker start`: that ends at once when it is asked to, and leaves its runs.
"""

from dagster_celery.app import app

from etl_assets.instance.dagster_internals import default_date_format_string, default_format_string

app.conf.update(
    worker_concurrency=2,
    # A run that nobody works on stays in the queue, for the next worker that is free: a killed one
    # would take along what it holds ready.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # A process that has run the pipeline is warm; it keeps some memory of each run.
    worker_max_tasks_per_child=50,
    # What the processes log is for Dagster, and for standard error; as the other services do it.
    worker_redirect_stdouts=False,
    worker_log_color=False,
    worker_log_format=default_format_string(),
    worker_log_datefmt=default_date_format_string(),
)

__all__ = ["app"]
