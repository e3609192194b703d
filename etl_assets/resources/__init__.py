"""What the assets talk to: the report API, the object store and the warehouse.

Each is a plain class, which knows nothing of Dagster, and the `ConfigurableResource` that hands it
to assets. The resources have no fields: the settings come from the environment when they are used,
so that no address or key gets into a run's configuration. `transactions` has the locks with which
those who load leave each other alone.
"""

from etl_assets.resources.object_store import ObjectStore, ObjectStoreResource
from etl_assets.resources.old_database import OldDatabase
from etl_assets.resources.report_api import ReportApi, ReportApiResource
from etl_assets.resources.warehouse import Warehouse, WarehouseResource

__all__ = [
    "ObjectStore",
    "ObjectStoreResource",
    "OldDatabase",
    "ReportApi",
    "ReportApiResource",
    "Warehouse",
    "WarehouseResource",
]
