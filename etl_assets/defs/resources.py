"""The resources: what hands the clients to assets.

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
    """How long to wait, in seconds, where it is not the client's default.

    Attributes:
        retry_seconds: how long faults that pass are tried again.
        answer_seconds: how long one answer is waited for.
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

    _shown: ExitStack = PrivateAttr(default_factory=ExitStack)
    _is_shown: bool = PrivateAttr(default=False)

    def connect(self, **limits: Unpack[Limits]) -> Warehouse:
        """Return the warehouse, configured from the environment; nothing is opened yet."""
        return Warehouse(WarehouseSettings.read().url, **limits)

    def show(self, warehouse: Warehouse, days: Sequence[date], run_id: str) -> None:
        """Show a run and its days as being loaded, from its first step until it has ended.

        Raises:
            EtlError: the warehouse can't be asked.
        """
        if not self._is_shown:
            self._shown.enter_context(loading(warehouse, days, run_id=run_id))
            self._is_shown = True

    @override
    def setup_for_execution(self, context: Any) -> None:
        """Begin with nothing shown: this may be a copy of another run's."""
        self._shown = ExitStack()
        self._is_shown = False

    @override
    def teardown_after_execution(self, context: Any) -> None:
        """Show the run no longer."""
        self._shown.close()


class WebhookResource(dg.ConfigurableResource[Webhook]):
    """The webhook of `ETL_ALARM_WEBHOOK_URL`, where alarms are posted."""

    def connect(self) -> Webhook | None:
        """Return the client, configured from the environment; None while that names no webhook."""
        url = AlarmSettings.read().webhook_url
        return None if url is None else Webhook(url)
