"""A process that loads days and can be killed.

It is forked quickly from a process that has imported everything. It does the same as the steps of
`order_backfill`, without Dagster.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import boto3  # noqa: F401  # pyright: ignore[reportUnusedImport]  # the clients import it when they are used
import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]  # as boto3

from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.warehouse import Warehouse
from etl_assets.mart.load import load_mart
from etl_assets.settings import ObjectStoreSettings, ReportApiSettings, WarehouseSettings
from etl_assets.source.catalog import Source, locate
from etl_assets.staging.load import stage

_processes = get_context("forkserver")


def start_loading(days: Sequence[date], run_id: str) -> BaseProcess:
    """Start to load the days, with the settings of our environment."""
    _processes.set_forkserver_preload([__name__])
    process = _processes.Process(target=_load, args=(dict(os.environ), days, run_id))
    process.start()
    return process


def _load(environment: Mapping[str, str], days: Sequence[date], run_id: str) -> None:
    os.environ.update(environment)
    warehouse = Warehouse(WarehouseSettings.read().url)
    store = ObjectStore(ObjectStoreSettings.read())
    source = Source(warehouse, ReportApi(ReportApiSettings.read()), store)
    locate(warehouse, source, days, run_id=run_id)
    stage(warehouse, store, days, run_id=run_id, only_changed=False, max_rejected_share=0)
    load_mart(warehouse, days, run_id=run_id, only_unloaded=False)
