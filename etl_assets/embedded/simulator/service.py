"""The report API, on 127.0.0.1 by default, in a thread of the process that starts it.

It is a thread so that tests can control it while it runs: set `today` or `report_seconds`, add
`faults`, `redeliver` a day, look at `calls`.
"""

import hmac
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from etl_assets.embedded.folder import kept_secret
from etl_assets.embedded.object_store import EmbeddedObjectStore
from etl_assets.embedded.ports import LOOPBACK
from etl_assets.embedded.simulator.content import SourceFiles
from etl_assets.embedded.simulator.deliveries import Deliveries, increment_keys, report_keys
from etl_assets.embedded.simulator.faults import Call, Faults
from etl_assets.embedded.simulator.ledger import Increment, Ledger, Report
from etl_assets.embedded.simulator.serving import served
from etl_assets.embedded.startable import Startable


class Simulator(Startable):
    """The report API and its files. Start the object store before it.

    Attributes:
        today: the source's current day (D); may be set while it runs.
        report_seconds: how long a report is RUNNING after its request; `math.inf` for ever.
        later_days: whether a report id gives increments for the report's own D and later days. If
            False, such a day needs a new report. Nobody knows what the real source does.
        faults: the faults of the next calls.
        calls: the calls that arrived, oldest first.
    """

    nickname = "etl"
    cohort = "23"

    def __init__(
        self,
        folder: Path,
        store: EmbeddedObjectStore,
        files: SourceFiles,
        *,
        today: date,
        report_seconds: float = 2.0,
        later_days: bool = True,
        listen: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        self.today = today
        self.report_seconds = report_seconds
        self.later_days = later_days
        self.faults = Faults()
        self.calls: list[Call] = []
        self._folder = folder.resolve()
        self._store = store
        self._files = files
        self._listen = listen
        self._wanted_port = port
        self._port = 0

    @property
    def url(self) -> str:
        """The address of the running API."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def api_key(self) -> str:
        """The key that calls must have."""
        return kept_secret(self._folder / "api-key")

    def redeliver(self, day: date, orders: bytes | None = None) -> None:
        """Write the day's increments again, at the same addresses.

        Args:
            day: the day; if its increment was never requested, nothing is written now.
            orders: the day's order log from now on; None for the current one of the source files.
        """
        self._deliveries.redeliver(day, orders)

    def redeliver_report(self, orders: bytes) -> None:
        """Write other orders at the address of the newest report's order log."""
        self._deliveries.redeliver_report(self._ledger.reports[-1], orders)

    def forget(self) -> None:
        """Forget all reports and increments."""
        self._deliveries.forget()

    def _start(self, running: ExitStack) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(self._folder / "ledger.json")
        self._deliveries = running.enter_context(
            Deliveries(self._store, self._ledger, self._files, self._folder)
        )
        self._port = running.enter_context(
            served(
                self._api(),
                self.faults,
                self.calls,
                listen=self._listen,
                port=self._wanted_port,
            )
        )

    def _api(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/generate_report", self._for_known(self._generate_report), methods=["POST"]),
                Route("/get_report", self._for_known(self._get_report), methods=["GET"]),
                Route("/get_increment", self._for_known(self._get_increment), methods=["GET"]),
            ]
        )

    def _for_known(
        self, endpoint: Callable[[Request], JSONResponse]
    ) -> Callable[[Request], JSONResponse]:
        """Return the endpoint with a check of the caller's headers and key.

        The real source's answer to a wrong key was never observed.
        """

        def admit(request: Request) -> JSONResponse:
            for name in ("X-Nickname", "X-Cohort", "X-API-KEY"):
                if not request.headers.get(name):
                    return _refusal(401, f"The header {name} is missing.")
            given = request.headers["X-API-KEY"].encode()
            if not hmac.compare_digest(given, self.api_key.encode()):
                return _refusal(403, "The key in X-API-KEY is wrong.")
            return endpoint(request)

        return admit

    def _generate_report(self, request: Request) -> JSONResponse:
        report = self._ledger.add_report(
            asked_at=time.time(),
            today=self.today,
            days=self._files.report_days(self.today),
            folder=_folder(request),
        )
        self._deliveries.has_report(report)
        return JSONResponse({"task_id": report.task_id})

    def _get_report(self, request: Request) -> JSONResponse:
        task_id = request.query_params.get("task_id")
        report = next((each for each in self._ledger.reports if each.task_id == task_id), None)
        if report is None:
            return _refusal(404, "There is no such task.")
        written = self._deliveries.has_report(report)
        ready = written and time.time() >= report.asked_at + self.report_seconds
        data: dict[str, Any] = {
            "report_id": report.report_id if ready else None,
            "start_day": _moment(report.first_day) if ready else None,
            "end_date": _moment(report.last_day) if ready else None,
            "s3_path": self._deliveries.addresses(report_keys(report)) if ready else {},
        }
        status = "SUCCESS" if ready else "RUNNING"
        return JSONResponse({"task_id": task_id, "status": status, "data": data})

    def _get_increment(self, request: Request) -> JSONResponse:
        report_id = request.query_params.get("report_id")
        report = next((each for each in self._ledger.reports if each.report_id == report_id), None)
        if report is None:
            return _refusal(404, "There is no such report.")
        try:
            day = datetime.fromisoformat(request.query_params.get("date", "")).date()
        except ValueError:
            return _refusal(400, "The date is not like 2024-02-25T00:00:00.")
        answer: dict[str, Any] = {"report_id": report_id, "date": _moment(day)}
        absent = answer | {"status": "NOT FOUND", "data": {"increment_id": None}}
        if day <= report.last_day:
            first = _moment(report.last_day + timedelta(days=1))
            return JSONResponse(absent | {"debug_info": f"Date is too early. Try from {first}"})
        increment = Increment(report.number, _folder(request), day)
        if not self._unlocks(report, day) or not self._deliveries.has_increment(increment):
            return JSONResponse(absent)
        data = {
            "increment_id": report.increment_id(day),
            "s3_path": self._deliveries.addresses(increment_keys(report, increment)),
        }
        return JSONResponse(answer | {"status": "SUCCESS", "data": data})

    def _unlocks(self, report: Report, day: date) -> bool:
        return day < (self.today if self.later_days else min(report.today, self.today))


def _folder(request: Request) -> str:
    """Return the part of the keys before the ids."""
    headers = request.headers
    project = "/project" if headers.get("X-Project") else ""
    return f"cohort_{headers['X-Cohort']}/{headers['X-Nickname']}{project}"


def _moment(day: date) -> str:
    return f"{day} 00:00:00"


def _refusal(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)
