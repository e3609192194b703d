"""The resources, which give the clients to assets, sensors and schedules.

They have no fields: the settings are read from the environment when a run uses them, so that no
address or key gets into a run's configuration.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from typing import Any, TypedDict

import dagster as dg
from pydantic import PrivateAttr
from typing_extensions import Unpack, override

from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.transactions import loading
from etl_assets.clients.warehouse import Warehouse
from etl_assets.clients.webhook import Webhook
from etl_assets.settings import (
    AlarmSettings,
    ObjectStoreSettings,
    ReportApiSettings,
    WarehouseSettings,
)


class Limits(TypedDict, total=False):
    """Time-outs in seconds; the client's defaults where absent.

    Attributes:
        retry_seconds: how long a call is repeated while passing faults occur.
        answer_seconds: how long to wait for one answer.
    """

    retry_seconds: float
    answer_seconds: float


class ReportApiResource(dg.ConfigurableResource[ReportApi]):
    """The report API of `REPORT_API_URL`."""

    def connect(self, **limits: Unpack[Limits]) -> ReportApi:
        """Return the client, configured from the environment."""
        return ReportApi(ReportApiSettings.read(), **limits)


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """The object store of `AWS_ENDPOINT_URL_S3`."""

    def connect(self, **limits: Unpack[Limits]) -> ObjectStore:
        """Return the client, configured from the environment."""
        return ObjectStore(ObjectStoreSettings.read(), **limits)


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The warehouse of `WAREHOUSE_URL`."""

    _locks: ExitStack = PrivateAttr(default_factory=ExitStack)
    _is_locked: bool = PrivateAttr(default=False)

    def connect(self, **limits: Unpack[Limits]) -> Warehouse:
        """Return the warehouse, configured from the environment. Nothing is opened yet."""
        return Warehouse(WarehouseSettings.read().url, **limits)

    def hold_locks(self, warehouse: Warehouse, days: Sequence[date], run_id: str) -> None:
        """Take the locks of a run and its days at its first step, and hold them until it ends.

        Raises:
            EtlError: the warehouse can't be reached.
        """
        if not self._is_locked:
            self._locks.enter_context(loading(warehouse, days, run_id=run_id))
            self._is_locked = True

    @override
    def setup_for_execution(self, context: Any) -> None:
        """Start without locks: this object may be a copy of another run's."""
        self._locks = ExitStack()
        self._is_locked = False

    @override
    def teardown_after_execution(self, context: Any) -> None:
        """Release the locks."""
        self._locks.close()


class WebhookResource(dg.ConfigurableResource[Webhook]):
    """The webhook of `ETL_ALARM_WEBHOOK_URL`, where alarms are posted."""

    def connect(self) -> Webhook | None:
        """Return the client, configured from the environment, or None without a webhook."""
        url = AlarmSettings.read().webhook_url
        return None if url is None else Webhook(url)
