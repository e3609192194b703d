"""The source: the reports that exist, and the object that holds a day.

The first rule that applies decides:

1. A day that is staged keeps its object, whatever its ids are now. A newer report never rewrites
   it: the same day of another report can have other rows, and none of them a status, so refunds
   would vanish. Only `Choice.latest` ignores this rule.
2. Any other day is in the newest report that covers it, else in the increment that the API returns
   for the newest report that ends before the day.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from etl_assets.clients.database import Connection, execute
from etl_assets.clients.object_store import ObjectStore, StoredObject, is_address, object_uri
from etl_assets.clients.report_api import NotFound, Report, ReportApi
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import format_days, split_at_gaps
from etl_assets.errors import DayNotInSource, EtlError, ObjectMissing, ServiceUnavailable
from etl_assets.source.feeds import FILE_NAMES
from etl_assets.source.raw_file import RawFile

_INCREMENT_SUFFIX = "_inc"
_LOOKS_AT_ONCE = 8
_DEFAULT_BUCKET = "s3-sprint3"
_PUT_THERE = (
    "have the source put the file there, or ask for the day with a new report: etl-assets backfill "
    "--new-report --from {first} --to {last}"
)


class Choice(StrEnum):
    """The report in which a loaded day is looked for.

    A run's configuration has the name of the member, because Dagster reads enums by name.
    """

    recorded = "recorded"
    """The report that it was loaded from."""
    latest = "latest"
    """The newest report, as if the day had never been loaded."""


@dataclass(frozen=True)
class NotThere:
    """Consecutive days that the source does not have, for one reason.

    Attributes:
        days: the days, in order.
        why: the reason, for people.
        kind: "too early" for an increment, "not yet" available, or "missing": no object is at the
            address that the report API or an earlier load gave.
        advice: what to do about a missing file; `{first}` and `{last}` stand for the days.
    """

    days: Sequence[date]
    why: str
    kind: Literal["too early", "not yet", "missing"] = "missing"
    advice: str = ""

    @property
    def remedy(self) -> str:
        """What to do about the missing file, for these days."""
        return self.advice.format(first=self.days[0], last=self.days[-1])

    def __str__(self) -> str:
        """Return the days, the reason, and what to do."""
        message = f"{format_days(self.days)}: {self.why}"
        return f"{message}. What to do: {self.remedy}" if self.remedy else message


@dataclass(frozen=True)
class Redelivered:
    """The days whose object was replaced.

    Attributes:
        etags: the days whose object is no longer the loaded version, with its ETag now.
        unknown: one message for each object that could not be looked at.
    """

    etags: Mapping[date, str]
    unknown: Sequence[str]


class Source:
    """The source, as known from the warehouse's records, the report API and the object store."""

    def __init__(self, warehouse: Warehouse, api: ReportApi, store: ObjectStore) -> None:
        self._warehouse = warehouse
        self._api = api
        self._store = store

    def ensure_report(self, *, new: bool, on_wait: Callable[[str], None]) -> Report:
        """Return the newest report that is ready. Ask for one if there is none, or if `new`.

        A task is recorded before it is polled, so a later call goes on polling it.

        Args:
            new: whether to ask for a new report in any case.
            on_wait: called with the task's id before each pause.

        Raises:
            ServiceUnavailable: the report was not ready in time, or the API can't be reached.
        """
        if not new:
            if ready := self.reports():
                return self.take_up_report() or ready[0]
            if pending := self._warehouse.rows("source/pending_reports"):
                return self._poll(pending[0]["task_id"], on_wait)
        task_id = self._api.generate_report()
        self._warehouse.execute("source/record_task", {"task_id": task_id})
        return self._poll(task_id, on_wait)

    def take_up_report(self) -> Report | None:
        """Return the report that was requested last, if it has become ready since.

        The run that requested it has given up waiting or was killed. Errors of the API are ignored
        here: older reports are still usable.
        """
        reports = self._warehouse.rows("source/reports")
        if not reports or reports[0]["ready_at"]:
            return None
        task_id = reports[0]["task_id"]
        report = None
        with suppress(EtlError):
            report = self._api.get_report(task_id)
        if report is not None:
            self._record(task_id, report)
        return report

    def reports(self) -> list[Report]:
        """Return the reports that are ready, the newest first."""
        return [
            Report(row["report_id"], row["start_day"], row["end_day"], row["paths"])
            for row in self._warehouse.rows("source/ready_reports")
        ]

    def report_asked_for_at(self) -> datetime | None:
        """Return when the newest report was requested, ready or not; None without any report."""
        reports = self._warehouse.rows("source/reports")
        return reports[0]["requested_at"] if reports else None

    def redelivered(self, days: Sequence[date]) -> "Redelivered":
        """Return the days whose object is no longer the version that was loaded.

        All days of a changed object are returned, even those that are not among `days`. An object
        that is gone does not count as changed.

        Raises:
            EtlError: none of the objects could be looked at.
        """
        uris = sorted({load["uri"] for load in self._recorded(days).values()})
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
            looks = [pool.submit(self._look, uri) for uri in uris]
        now: dict[str, str] = {}
        errors: list[EtlError] = []
        for uri, look in zip(uris, looks, strict=True):
            try:
                if stored := look.result():
                    now[uri] = stored.etag
            except EtlError as error:
                errors.append(error)
        if errors and not now:
            raise errors[0]
        etags = {
            load["partition_day"]: now[load["uri"]]
            for load in self._warehouse.rows("mart/latest_loads", {"days": None})
            if load["uri"] in now and load["etag"] != now[load["uri"]]
        }
        return Redelivered(etags, [str(error) for error in errors])

    def find(self, days: Sequence[date], choice: Choice) -> list[RawFile]:
        """Return the objects that hold the days, in the order of the days.

        Raises:
            DayNotInSource: the source lacks some of the days; the message names all of them.
        """
        is_rewrite = choice is Choice.latest
        recorded = {} if is_rewrite else self._recorded(days)
        reports = self.reports()
        # The days of a report share its object, so it is looked at once.
        seen: dict[str, StoredObject | None] = {}
        found: list[RawFile] = []
        missing: list[NotThere] = []
        for day in days:
            answer = self._find(day, recorded.get(day), reports, seen)
            if isinstance(answer, RawFile):
                found.append(replace(answer, is_rewrite=is_rewrite))
            else:
                missing.append(answer)
        if missing:
            raise DayNotInSource(
                f"The source does not have {len(missing)} of the {len(days)} days asked for, so "
                "nothing was loaded:\n" + "\n".join(map(str, _by_reason(missing)))
            )
        return found

    def find_next(self, day: date) -> RawFile | NotThere:
        """Return the object that holds a day, or the reason why there is none."""
        return self._find(day, self._recorded([day]).get(day), self.reports(), {})

    def _poll(self, task_id: str, on_wait: Callable[[str], None]) -> Report:
        retrying = Retrying(
            retry=retry_if_result(lambda report: report is None),
            wait=wait_fixed(self._api.poll_seconds),
            stop=stop_after_delay(self._api.poll_timeout_seconds),
            before_sleep=lambda _: on_wait(task_id),
        )
        try:
            report = retrying(self._api.get_report, task_id)
        except RetryError as error:
            raise ServiceUnavailable(
                f"The report of task {task_id} is still RUNNING after "
                f"{self._api.poll_timeout_seconds:g} s (ETL_POLL_TIMEOUT_SECONDS). The next "
                "run looks whether it is ready, and takes it then; to ask for another, run: "
                "etl-assets backfill --new-report"
            ) from error
        if report is None:
            raise AssertionError("tenacity returns the first result that is not None")
        self._record(task_id, report)
        return report

    def _record(self, task_id: str, report: Report) -> None:
        self._warehouse.execute(
            "source/record_report",
            {
                "task_id": task_id,
                "report_id": report.report_id,
                "start_day": report.start_day,
                "end_day": report.end_day,
                "paths": dict(report.paths),
            },
        )

    def _recorded(self, days: Sequence[date]) -> dict[date, dict[str, Any]]:
        """Return the staged rows by day, without adopted days: they have no object there."""
        asked_for = set(days)
        staged = self._warehouse.rows("staging/staged_days")
        return {
            day: row
            for row in staged
            if (day := row["partition_day"]) in asked_for and not row["is_adopted"]
        }

    def _find(
        self,
        day: date,
        recorded: Mapping[str, Any] | None,
        reports: Sequence[Report],
        seen: dict[str, StoredObject | None],
    ) -> RawFile | NotThere:
        """Return the object that holds a day. `seen` has the objects looked at before."""
        place = self._place(day, recorded, reports)
        if isinstance(place, NotThere):
            return place
        for uri in place.uris:
            if uri not in seen:
                seen[uri] = self._look(uri)
            if stored := seen[uri]:
                return RawFile(day, stored, place.report_id, place.increment_id)
        return NotThere([day], f"{place.if_gone} ({', '.join(place.uris)})", advice=place.advice)

    def _place(
        self, day: date, recorded: Mapping[str, Any] | None, reports: Sequence[Report]
    ) -> "_Place | NotThere":
        """Return where a day should be, by the rules above, without asking the object store."""
        if recorded is not None:
            return _Place(
                [recorded["uri"]],
                recorded["report_id"],
                recorded["increment_id"],
                "the object that was loaded is gone",
                "have the source put the file back, or load from the newest report: "
                "etl-assets backfill --from {first} --to {last} --report latest",
            )
        if not reports:
            return NotThere([day], "no report was asked for yet", advice="etl-assets backfill")
        for report in reports:
            if report.start_day <= day <= report.end_day:
                return _Place(
                    self._addresses("", report.report_id, report.paths),
                    report.report_id,
                    None,
                    "the report's file is not in the object store",
                    _PUT_THERE,
                )
        return self._increments_place(day, reports)

    def _increments_place(self, day: date, reports: Sequence[Report]) -> "_Place | NotThere":
        """Return where the increment of a day should be that no report covers."""
        # The API refuses a day before the end of the report that it is asked with.
        newest = next((report for report in reports if report.end_day < day), reports[0])
        increment = self._api.get_increment(newest.report_id, day)
        if isinstance(increment, NotFound):
            if increment.why:
                return NotThere([day], increment.why, "too early")
            if newest is not reports[0]:
                why = "it is between two reports, and its increment is not there"
                return NotThere([day], why, "too early")
            return NotThere([day], "its increment is not there yet", "not yet")
        return _Place(
            self._addresses(
                _INCREMENT_SUFFIX, increment.increment_id, increment.paths, newest.paths
            ),
            newest.report_id,
            increment.increment_id,
            "the increment's file is not in the object store",
            _PUT_THERE,
        )

    def _look(self, uri: str) -> StoredObject | None:
        try:
            return self._store.find(uri)
        except ObjectMissing:
            return None

    def _addresses(
        self, suffix: str, folder: str, paths: Mapping[str, str], *neighbours: Mapping[str, str]
    ) -> list[str]:
        """Return the possible addresses of the order log: the API's, else the usual ones.

        The bucket of the usual ones is that of the other files in `paths` or `neighbours`.
        """
        for name in FILE_NAMES:
            if url := paths.get(name + suffix):
                return [object_uri(url)]
        known = [url for urls in (paths, *neighbours) for url in urls.values()]
        bucket = _bucket(known[0]) if known else _DEFAULT_BUCKET
        prefix = f"cohort_{self._api.cohort}/{self._api.nickname}/project/{folder}"
        if not is_address(bucket, prefix):
            raise EtlError(
                f"The report API names the report or increment {folder[:200]!r}, which can't be a "
                "part of an address. Ask the API's operator"
            )
        return [f"s3://{bucket}/{prefix}/{name}{suffix}.csv" for name in FILE_NAMES]


@dataclass(frozen=True)
class _Place:
    """Where a day should be.

    Attributes:
        uris: the addresses to look at, in this order.
        report_id: the report that covers the day, or with which its increment was asked for.
        increment_id: the increment; None for a day of a report.
        if_gone: the reason to give if no address has an object.
        advice: what to do then, as in `NotThere`.
    """

    uris: list[str]
    report_id: str
    increment_id: str | None
    if_gone: str
    advice: str


def _by_reason(missing: Sequence[NotThere]) -> list[NotThere]:
    """Join consecutive days that are missing for the same reason."""
    days_by_reason: dict[NotThere, list[date]] = {}
    for each in missing:
        days_by_reason.setdefault(replace(each, days=()), []).extend(each.days)
    return [
        replace(reason, days=stretch)
        for reason, days in days_by_reason.items()
        for stretch in split_at_gaps(sorted(days))
    ]


def _bucket(url: str) -> str:
    return object_uri(url).removeprefix("s3://").split("/", 1)[0]


def locate(
    warehouse: Warehouse,
    source: Source,
    days: Sequence[date],
    *,
    run_id: str,
    choice: Choice = Choice.recorded,
) -> list[RawFile]:
    """Find and record the objects that hold the days.

    They are recorded in `etl.raw_file` for every later run. With `Choice.latest` they are recorded
    in `etl.rewrite`, for this run alone.

    Raises:
        DayNotInSource: the source lacks some of the days; nothing is recorded.
    """
    found = source.find(days, choice)
    warehouse.run(lambda connection: _record(connection, found, run_id))
    return found


def _record(connection: Connection, found: Sequence[RawFile], run_id: str) -> None:
    with connection.transaction():
        # In the order of the days, so that two runs of the same days can't deadlock.
        for file in found:
            execute(
                connection,
                "source/record_rewrite" if file.is_rewrite else "source/record_raw_file",
                {
                    "run_id": run_id,
                    "partition_day": file.partition_day,
                    "uri": file.stored.uri,
                    "etag": file.stored.etag,
                    "size": file.stored.size,
                    "report_id": file.report_id,
                    "increment_id": file.increment_id,
                },
            )
