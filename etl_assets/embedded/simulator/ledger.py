"""Records the requested reports and the written files, so that the simulator can be restarted."""

import base64
import json
import threading
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any


def opaque(text: str) -> str:
    """Return an id made of the text: base64 with at least one `=`, never a `/`."""
    return base64.b64encode((text if len(text) % 3 else f"{text} ").encode()).decode()


@dataclass(frozen=True)
class Report:
    """A report that was requested.

    Attributes:
        number: the number of the report, from 1.
        asked_at: when it was requested, in seconds since the Unix epoch.
        today: the source's current day (D) at the request.
        first_day: the first day of its orders.
        last_day: the last day of its orders.
        folder: the part of the object store's keys before the ids.
    """

    number: int
    asked_at: float
    today: date
    first_day: date
    last_day: date
    folder: str

    @property
    def task_id(self) -> str:
        """The id of the task, which `/get_report` takes."""
        return opaque(f"{self.today}T{self.number:06d}")

    @property
    def report_id(self) -> str:
        """The report's id."""
        return opaque(self.task_id.rstrip("="))

    def increment_id(self, day: date) -> str:
        """Return the id of the increment of a day that is requested with this report's id."""
        return opaque(f"{day}T00:00:00\t{self.number:06d}")


@dataclass(frozen=True)
class Increment:
    """The increment of a day, for the report with the number `report`, in a folder."""

    report: int
    folder: str
    day: date


class Ledger:
    """The requested reports and the written files, in a JSON file that each change replaces."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._reports: list[Report] = []
        self._written_reports: set[int] = set()
        self._increments: set[Increment] = set()
        if path.exists():
            kept: dict[str, list[Any]] = json.loads(path.read_text())
            self._reports = [Report(**_with_dates(each)) for each in kept["reports"]]
            self._written_reports = set(kept["written_reports"])
            self._increments = {Increment(**_with_dates(each)) for each in kept["increments"]}

    @property
    def reports(self) -> tuple[Report, ...]:
        """The requested reports, oldest first."""
        with self._lock:
            return tuple(self._reports)

    @property
    def increments(self) -> frozenset[Increment]:
        """The increments whose files are written."""
        with self._lock:
            return frozenset(self._increments)

    def report(self, number: int) -> Report:
        """Return the report with this number."""
        return self.reports[number - 1]

    def is_written(self, report: Report) -> bool:
        """Return whether the report's files are written."""
        with self._lock:
            return report.number in self._written_reports

    def add_report(
        self, *, asked_at: float, today: date, days: tuple[date, date], folder: str
    ) -> Report:
        """Record a request for a report; return the report."""
        with self._lock:
            report = Report(len(self._reports) + 1, asked_at, today, *days, folder)
            self._reports.append(report)
            self._keep()
        return report

    def add_written(self, report: Report) -> None:
        """Record that the report's files are written."""
        with self._lock:
            self._written_reports.add(report.number)
            self._keep()

    def add_increment(self, increment: Increment) -> None:
        """Record that the increment's files are written."""
        with self._lock:
            self._increments.add(increment)
            self._keep()

    def clear(self) -> None:
        """Remove all records."""
        with self._lock:
            self._reports.clear()
            self._written_reports.clear()
            self._increments.clear()
            self._keep()

    def _keep(self) -> None:
        kept = {
            "reports": [asdict(each) for each in self._reports],
            "written_reports": sorted(self._written_reports),
            "increments": [asdict(each) for each in self._increments],
        }
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(kept, default=date.isoformat, indent=1))
        unfinished.rename(self._path)


def _with_dates(fields: dict[str, Any]) -> dict[str, Any]:
    days = {"today", "first_day", "last_day", "day"}
    return {
        name: date.fromisoformat(value) if name in days else value for name, value in fields.items()
    }
