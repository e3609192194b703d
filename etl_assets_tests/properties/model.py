"""A model of the whole pipeline: what a history of deliveries and runs leaves in the warehouse.

`oracle` says what becomes of the bytes that a day is loaded from. Here is which bytes those are:
what the source holds at which address, what the runs have found, staged and loaded. Like `oracle`
it is written from the rules' words, shares no code with the pipeline and is obviously right rather
than fast.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from etl_assets_tests.properties import oracle
from etl_assets_tests.properties.oracle import TABLE_COLUMNS, Delivery, Reading, Refused

Tables = Mapping[str, Any]
"""By name, what each table and view holds: comparable with what the warehouse has."""


class Fails(Exception):
    """A run ends with an error. What it did before that stays done."""


class NotInSource(Fails):
    """The source lacks a day."""


class Replaced(Fails):
    """An object is another version than was found, or a day is kept elsewhere by now."""


class FileRefused(Fails):
    """A file can't be right, has too many rows that can't, or takes all its orders from a day."""


class NotLocated(Fails):
    """A day is to be staged whose object was never looked for."""


class NotStaged(Fails):
    """The mart is to be made of a day that was not staged."""


class Address(NamedTuple):
    """Where an object lies: a report's own file, or the increment of a day asked with it."""

    report_id: str
    increment: date | None


class Version(NamedTuple):
    """Some bytes at some address."""

    address: Address
    delivery: Delivery

    @property
    def etag(self) -> str:
        """What the object store calls the bytes."""
        return f'"{hashlib.md5(self.delivery.body, usedforsecurity=False).hexdigest()}"'

    @property
    def name(self) -> tuple[str, bool, str]:
        """What tells a day's version from any other: the ids that it was found by, and its ETag."""
        return self.address.report_id, self.address.increment is not None, self.etag


class Report(NamedTuple):
    """A report that was asked for."""

    report_id: str
    first_day: date
    last_day: date


@dataclass
class Model:
    """The state of the world after some history.

    Attributes:
        today: the source has increments of the days before.
        max_rejected_share: more wrong rows than that refuse a file.
        reports: that were asked for, oldest first.
        answers: what the source would write for a day that is asked for the first time.
        objects: what the source has written.
        raw: the version that was last found for each day, where it is kept.
        rewrites: the version that a run was told to take a day from, by the run and the day.
        staged: the version that each day was last staged from.
        loaded: the version that each day was last loaded into the mart from.
        unloaded: the days that were staged since they were loaded.
        rejected: the wrong rows: their object, the line, and the day if it can be read.
    """

    today: date
    max_rejected_share: float
    reports: list[Report] = field(default_factory=list[Report])
    answers: dict[date, bytes] = field(default_factory=dict[date, bytes])
    objects: dict[Address, bytes] = field(default_factory=dict[Address, bytes])
    raw: dict[date, Version] = field(default_factory=dict[date, Version])
    rewrites: dict[tuple[str, date], Version] = field(
        default_factory=dict[tuple[str, date], Version]
    )
    staged: dict[date, Version] = field(default_factory=dict[date, Version])
    loaded: dict[date, Version] = field(default_factory=dict[date, Version])
    unloaded: set[date] = field(default_factory=set[date])
    rejected: set[tuple[Version, int, date | None]] = field(
        default_factory=set[tuple[Version, int, date | None]]
    )

    def copy(self) -> "Model":
        """Return a model whose history goes on by itself."""
        return Model(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})

    # --- The source -------------------------------------------------------------------------------

    def add_report(self, report: Report, body: bytes) -> None:
        """The source has written a report that was asked for."""
        self.reports.append(report)
        self.objects[Address(report.report_id, None)] = body

    def redeliver(self, day: date, body: bytes) -> None:
        """The source writes a day's increments again, at every address that was handed out."""
        self.answers[day] = body
        for address in self.objects:
            if address.increment == day:
                self.objects[address] = body

    def redeliver_report(self, body: bytes) -> None:
        """The source writes the newest report again."""
        self.objects[Address(self.reports[-1].report_id, None)] = body

    # --- The steps of a run -----------------------------------------------------------------------

    def locate(self, days: Collection[date], run: str, *, latest: bool = False) -> None:
        """Find the objects that hold the days, all of them or none.

        Those of the newest report are for this run alone.
        """
        addresses = {day: self._address(day, latest=latest) for day in days}
        lacking = [day for day, address in addresses.items() if address is None]
        if lacking:
            raise NotInSource(lacking)
        found = {day: self._version(address) for day, address in addresses.items() if address}
        if latest:
            self.rewrites |= {(run, day): version for day, version in found.items()}
        else:
            self.raw |= found

    def stage(
        self,
        days: Collection[date],
        run: str,
        *,
        planned: bool = False,
        allow_empty: bool = False,
    ) -> None:
        """Replace the days in staging by what their objects hold, all of them or none.

        A planner's run leaves alone what staging holds already from the same version. A day that
        has orders is replaced by none only if that is allowed, or if its increment has no rows.
        """
        rewrites = {day: version for (of, day), version in self.rewrites.items() if of == run}
        found = self.raw | rewrites
        if not found.keys() >= set(days):
            raise NotLocated
        if planned:
            days = [day for day in days if self.staged.get(day) != found[day]]
        versions = {day: found[day] for day in days}
        if any(version != self._version(version.address) for version in versions.values()):
            raise Replaced
        days_of: dict[Version, list[date]] = {}
        for day, version in versions.items():
            days_of.setdefault(version, []).append(day)
        readings = {version: self._read(version, of) for version, of in days_of.items()}
        # Where a day is kept, only a run that was told to may change.
        for day in versions.keys() & self.staged.keys() - rewrites.keys():
            if self.staged[day].address != versions[day].address:
                raise Replaced
        if not allow_empty and any(self._loses_all(*held) for held in versions.items()):
            raise FileRefused
        self.staged |= versions
        self.unloaded |= versions.keys()
        for version, reading in readings.items():
            self.rejected |= {
                (version, row.line, row.partition_day)
                for row in reading.rejected
                # Rows of days that the object may hold and that were not asked for are no matter.
                if row.partition_day in days_of[version]
                or not _covers(version.delivery, row.partition_day)
            }

    def _loses_all(self, day: date, version: Version) -> bool:
        """Return whether the version takes all its orders from a day, without saying so."""
        reading = read(version.delivery)
        is_empty_increment = version.address.increment is not None and not reading.rows
        return (
            day in self.staged
            and bool(read(self.staged[day].delivery).orders_of(day))
            and not reading.orders_of(day)
            and not is_empty_increment
        )

    def make_mart(self, days: Collection[date], *, planned: bool = False) -> None:
        """Load what is staged: the days asked for, and those that another run has left staged.

        A planner's run leaves alone what is loaded as it is staged.
        """
        if not self.staged.keys() >= set(days):
            raise NotStaged
        for day in self.unloaded | set([] if planned else days):
            self.loaded[day] = self.staged[day]
        self.unloaded = set()

    def next_day(self, first_day: date) -> date | None:
        """Return the first day that is not loaded, if the source has it: what is to load next."""
        day = max(first_day, min(report.first_day for report in self.reports))
        while day in self.loaded:
            day += timedelta(days=1)
        return day if day < self.today and self._address(day, latest=False) else None

    # --- Which object holds a day -----------------------------------------------------------------

    def _address(self, day: date, *, latest: bool) -> Address | None:
        """Return where a day is held; asking for an increment makes the source write it."""
        if day in self.staged and not latest:
            # Ids never count as a change, and a newer report never rewrites a day that is loaded,
            # or about to be.
            return self.staged[day].address
        for report in reversed(self.reports):
            if report.first_day <= day <= report.last_day:
                return Address(report.report_id, None)
        for report in reversed(self.reports):
            if report.last_day < day < self.today:
                return self._increment(Address(report.report_id, day), day)
        return None

    def _increment(self, address: Address, day: date) -> Address | None:
        """Return the address if there is an object: the source writes it when asked first."""
        if address not in self.objects:
            if day not in self.answers:
                return None
            self.objects[address] = self.answers[day]
        return address

    def _version(self, address: Address) -> Version:
        report = next(each for each in self.reports if each.report_id == address.report_id)
        first = address.increment or report.first_day
        last = address.increment or report.last_day
        return Version(address, Delivery(self.objects[address], first, last))

    def _read(self, version: Version, days: Iterable[date]) -> Reading:
        try:
            reading = read(version.delivery)
        except Refused as refused:
            raise FileRefused from refused
        # Of the rows that are no duplicates; those of no day, or of another, are in the first.
        shares = [(len(reading.rejected), len(reading.orders))] + [
            (len(reading.rejected_of(day)), len(reading.orders_of(day))) for day in days
        ]
        if any(
            wrong and wrong / (wrong + right) > self.max_rejected_share for wrong, right in shares
        ):
            raise FileRefused
        return reading

    # --- What the tables hold ---------------------------------------------------------------------

    def tables(self) -> Tables:
        """Return what every table and view holds."""
        mart = oracle.mart({day: version.delivery for day, version in self.loaded.items()})
        return {
            **{name: getattr(mart, name) for name in TABLE_COLUMNS},
            "user_order_log": [
                order
                for day, version in sorted(self.staged.items())
                for order in read(version.delivery).orders_of(day)
            ],
            "rejected_row": Counter(
                (version.etag, line, day) for version, line, day in self.rejected
            ),
            "raw_file": [(day, *version.name) for day, version in sorted(self.raw.items())],
            "rewrite": sorted(
                (run, day, *version.name) for (run, day), version in self.rewrites.items()
            ),
            "staged_day": [
                (day, *version.name, *_counts(version, day), day not in self.unloaded)
                for day, version in sorted(self.staged.items())
            ],
            "latest_load": [
                (day, *version.name, *_counts(version, day), _revenue(version, day))
                for day, version in sorted(self.loaded.items())
            ],
        }


Step = Callable[[Model], None]


def steps_of_load(
    days: Collection[date],
    run: str,
    *,
    latest: bool = False,
    planned: bool = False,
    allow_empty: bool = False,
) -> list[Step]:
    """Return the steps of a load, each of which is done whole or not at all."""
    return [
        lambda model: model.locate(days, run, latest=latest),
        lambda model: model.stage(days, run, planned=planned, allow_empty=allow_empty),
        lambda model: model.make_mart(days, planned=planned),
    ]


def the_one_that_holds(outcomes: Sequence[Model], tables: Tables) -> Model:
    """Return the model that the tables are as; all of them are the one's, none another's."""
    for outcome in outcomes:
        if outcome.tables() == tables:
            return outcome
    for name, rows in outcomes[-1].tables().items():
        assert tables[name] == rows, name
    raise AssertionError("there is no outcome")


@cache
def read(delivery: Delivery) -> Reading:
    """Return what is in a file; each is read once."""
    return oracle.read(delivery)


def _covers(delivery: Delivery, day: date | None) -> bool:
    return day is not None and delivery.first_day <= day <= delivery.last_day


def _counts(version: Version, day: date) -> tuple[int, int, int, int]:
    """Return the rows read, duplicates, rejected and loaded of a day."""
    return read(version.delivery).counts_for(day)


def _revenue(version: Version, day: date) -> Decimal:
    orders = read(version.delivery).orders_of(day)
    return sum((order.payment_amount_signed for order in orders), start=Decimal(0))
