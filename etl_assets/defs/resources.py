"""The resources: what hands the clients to assets.

They have no fields: the settings are read from the environment when a run uses them, so that no
address or key gets into a run's configuration.
"""

import dagster as dg

from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.warehouse import Warehouse
from etl_assets.settings import ObjectStoreSettings, ReportApiSettings, WarehouseSettings


class ReportApiResource(dg.ConfigurableResource[ReportApi]):
    """The report API of `REPORT_API_URL`."""

    def connect(self) -> ReportApi:
        """Return the client, configured from the environment."""
        return ReportApi(ReportApiSettings.read())


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """The object store of `AWS_ENDPOINT_URL_S3`."""

    def connect(self) -> ObjectStore:
        """Return the client, configured from the environment."""
        return ObjectStore(ObjectStoreSettings.read())


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The warehouse of `WAREHOUSE_URL`."""

    def connect(self) -> Warehouse:
        """Return the warehouse, configured from the environment; nothing is opened yet."""
        return Warehouse(WarehouseSettings.read().url)
