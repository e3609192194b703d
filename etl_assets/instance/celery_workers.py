"""Celery's workers, which execute runs on several hosts.

    celery --app=etl_assets.instance.celery_workers worker --loglevel=INFO

Celery's own variables CELERY_BROKER_URL and CELERY_RESULT_BACKEND name the broker. Don't use
`dagster-celery worker start`: on SIGTERM it ends at once and leaves its runs behind.
"""

from dagster_celery.app import app

from etl_assets.instance.dagster_internals import default_date_format_string, default_format_string

app.conf.update(
    worker_concurrency=2,
    # A waiting run stays in the queue until a worker is free. A worker that has prefetched runs
    # would lose them when it is killed.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # Imports take seconds, so processes are reused; but each run leaves some memory behind.
    worker_max_tasks_per_child=50,
    # The processes log to Dagster and to standard error, in the format of the other services.
    worker_redirect_stdouts=False,
    worker_log_color=False,
    worker_log_format=default_format_string(),
    worker_log_datefmt=default_date_format_string(),
)

__all__ = ["app"]
