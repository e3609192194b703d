"""The mart is a pure function of which object version each day was loaded from, and those bytes.

Random histories of deliveries and runs, each step compared with the model. What was found here has
a test of its own, by hand and by name, where it belongs.
"""

from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations

import psycopg
import pytest
from hypothesis import note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from tenacity import wait_none
from typing_extensions import override

from etl_assets import errors
from etl_assets.clients.database import Connection
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import days_between
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.operations.migrations import migrate
from etl_assets.planning.planner import Load
from etl_assets.settings import WarehouseSettings
from etl_assets.source.catalog import Choice
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.properties import model
from etl_assets_tests.properties.model import Model, Report
from etl_assets_tests.support.files import COLUMNS, csv_file, order, without
from etl_assets_tests.support.pipeline import Pipeline, a_run, all_tables
from etl_assets_tests.support.severing import Severing

FIRST_DAY = date(2024, 2, 24)
"""A Saturday: the days are of two weeks and of two months."""

DAYS = days_between(FIRST_DAY, FIRST_DAY + timedelta(days=7))

TODAY = DAYS[-1]
"""The source has no increment of it yet."""

MAX_REJECTED_SHARE = 0.4

# --- Files: few orders of few customers, items and cities, so that they meet ----------------------

_VALUES = {
    "uniq_id": st.sampled_from("abcde"),
    "customer_id": st.sampled_from("12"),
    "item_id": st.sampled_from("12"),
    "city_id": st.sampled_from("12"),
    "first_name": st.sampled_from("xy"),
    "item_name": st.sampled_from("xy"),
    "city_name": st.sampled_from("xy"),
    "quantity": st.sampled_from("12"),
    "payment_amount": st.sampled_from(["1", "2.50"]),
    "status": st.sampled_from(["shipped", "shipped", "refunded"]),
}
_RIGHT: dict[str, str] = {}
_WRONG = (
    {"status": "lost"},
    {"quantity": "0"},
    {"payment_amount": "1e3"},
    {"item_name": ""},
    {"date_time": "yesterday"},
    {"date_time": "2023-12-31T00:00:00"},
)
_COLUMNS = (COLUMNS, COLUMNS, without("status"), without("uniq_id"), tuple(reversed(COLUMNS)))
_REFUSED = (b"", b"uniq_id,status\r\n", b"\xff", csv_file() + b'"')


@dataclass(frozen=True)
class FileRow:
    """A row of a file: the number of its day among those of the file, and its values."""

    day: int
    values: dict[str, str]


def file_row(day: int, values: dict[str, str], wrong: dict[str, str]) -> FileRow:
    return FileRow(day, values | wrong)


some_row = st.builds(
    file_row,
    st.integers(0, 3),
    st.fixed_dictionaries(_VALUES),
    st.sampled_from([*[_RIGHT] * 12, *_WRONG]),
)


@dataclass(frozen=True)
class Content:
    """What is in a file: rows in their order with duplicates, or bytes that are no such file."""

    rows: tuple[FileRow, ...]
    columns: tuple[str, ...] = COLUMNS
    refused: bytes | None = None

    def of(self, days: Sequence[date]) -> bytes:
        """Return the file as a delivery of the days."""
        if self.refused is not None:
            return self.refused
        rows = [
            order(days[row.day % len(days)], id=number) | row.values
            for number, row in enumerate(self.rows)
        ]
        return csv_file(*rows, columns=self.columns)

    def edited(self, edits: Sequence["Edit"]) -> "Content":
        """Return a file with rows added, repeated, removed and changed."""
        rows = list(self.rows)
        for kind, place, row in edits:
            match kind:
                case "add":
                    rows.insert(place, row)
                case "repeat" if rows:
                    rows.insert(place, rows[-1])
                case "cut":
                    del rows[place:]
                case "remove" if rows:
                    del rows[place % len(rows)]
                case "change" if rows:
                    rows[place % len(rows)] = row
                case _:
                    pass
        return replace(self, rows=tuple(rows), refused=None)


some_content = st.builds(
    Content,
    st.lists(some_row, max_size=6).map(tuple),
    st.sampled_from(_COLUMNS),
    st.sampled_from([*[None] * 30, *_REFUSED]),
)

Edit = tuple[str, int, FileRow]

some_edits: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(["add", "repeat", "remove", "cut", "change"]), st.integers(0, 5), some_row
    ),
    min_size=1,
    max_size=3,
)

# --- The pipeline, for many histories -------------------------------------------------------------

_ALL_TABLES = """
    SELECT format('%I.%I', schemaname, tablename)
    FROM pg_tables
    WHERE schemaname IN ('etl', 'staging', 'mart') AND tablename <> 'alembic_version'
"""


class OneSession(Warehouse):
    """A warehouse that keeps its session: to open one takes longer than most statements here."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        super().__init__(SecretStr(url), retry_seconds=0)
        self._kept = stack.enter_context(self.open())
        self._kept.prepare_threshold = None

    @override
    @contextmanager
    def session(self) -> Generator[Connection]:
        yield self._kept


class Bench:
    """A pipeline, and others of its warehouse and source, that many histories use in turn.

    Attributes:
        pipeline: the one that does most.
        other: one that works at the same time.
        severed: one whose connections can be made to break.
        retrying: one that tries again when they do.
        reading: a connection to read what is there.
    """

    def __init__(self, pipeline: Pipeline, stack: ExitStack) -> None:
        url = WarehouseSettings.read().url.get_secret_value()
        self.severing = stack.enter_context(Severing(url))
        self.reading = stack.enter_context(psycopg.connect(pipeline.owners_url, autocommit=True))
        tables = self.reading.execute(_ALL_TABLES).fetchall()
        self._emptying = "; ".join(f"DELETE FROM {name}" for (name,) in tables)
        self.owners = Warehouse(SecretStr(pipeline.owners_url), retry_seconds=0)
        self.pipeline = pipeline
        self.other, self.severed, self.retrying = (replace(pipeline) for _ in range(3))
        for each in (self.other, self.severed, self.retrying):
            each.object_store, each.report_api = pipeline.object_store, pipeline.report_api
        pipeline.warehouse = OneSession(url, stack)
        self.other.warehouse = OneSession(url, stack)
        severed = SecretStr(self.severing.url)
        self.severed.warehouse = Warehouse(severed, retry_seconds=0)
        self.retrying.warehouse = Warehouse(severed, retry_seconds=30)

    def empty(self) -> None:
        """Forget all that was loaded and delivered."""
        self.reading.execute(self._emptying.encode())
        self.pipeline.files.increments.clear()
        self.pipeline.simulator.forget()


# --- Histories ------------------------------------------------------------------------------------

_ERRORS: dict[type[model.Fails], type[errors.EtlError]] = {
    model.NotInSource: errors.DayNotInSource,
    model.Replaced: errors.ObjectChanged,
    model.FileRefused: errors.FileRefused,
    model.NotLocated: errors.EtlError,
    model.NotStaged: errors.EtlError,
}


def some_of(days: Collection[date]) -> st.SearchStrategy[list[date]]:
    """Return a few of the days, or all of them."""
    few = st.sets(st.sampled_from(sorted(days)), min_size=1, max_size=3).map(sorted)
    return few | st.just(sorted(days))


@dataclass(frozen=True)
class Run:
    """A run that loads days: its steps for the pipeline, and for the model."""

    steps: Sequence[Callable[[], object]]
    model_steps: Sequence[model.Step]

    def only(self, first: int, last: int | None = None) -> "Run":
        """Return the run with some of its steps."""
        return Run(self.steps[first:last], self.model_steps[first:last])


def loading(
    pipeline: Pipeline,
    days: list[date],
    *,
    latest: bool = False,
    planned: bool = False,
    allow_empty: bool = False,
) -> Run:
    """Return a run that loads the days in the pipeline."""
    run_id, choice = a_run(), Choice.latest if latest else Choice.recorded
    return Run(
        [
            lambda: pipeline.locate(*days, choice=choice, run_id=run_id),
            lambda: pipeline.stage_located(
                *days,
                planned=planned,
                max_rejected_share=MAX_REJECTED_SHARE,
                allow_empty=allow_empty,
                run_id=run_id,
            ),
            lambda: pipeline.make_mart(*days, planned=planned),
        ],
        model.steps_of_load(days, run_id, latest=latest, planned=planned, allow_empty=allow_empty),
    )


def failure(run: Run) -> errors.EtlError | None:
    """Do the run's steps up to one that fails; return its error."""
    for step in run.steps:
        try:
            step()
        except errors.EtlError as error:
            return error
    return None


def goes(steps: Sequence[model.Step], of: Model) -> type[model.Fails] | None:
    """Let the model do the steps up to one that fails; return how it fails."""
    for step in steps:
        try:
            step(of)
        except model.Fails as fails:
            return type(fails)
    return None


def interleaved(
    of: Model, first: Sequence[model.Step], second: Sequence[model.Step], places: Collection[int]
) -> Model:
    """Let the model do the steps of two runs in turn, each run's up to one that fails.

    The first run's have the places.
    """
    left = {True: deque(first), False: deque(second)}
    for place in range(len(first) + len(second)):
        steps = left[place in places]
        if steps and goes([steps.popleft()], of):
            steps.clear()
    return of


class Histories(RuleBasedStateMachine):
    """A history: deliveries and runs in any order, and the model beside it."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        bench.empty()
        self.bench = bench
        self.pipeline = bench.pipeline
        self.model = Model(TODAY, MAX_REJECTED_SHARE)
        self.contents: dict[date, list[Content]] = {}
        """What was delivered of each day, oldest first."""
        self.report = Content(())
        """What the newest report is."""

    # --- The source -------------------------------------------------------------------------------

    @initialize(
        content=some_content,
        length=st.integers(1, 3),
        increments=st.dictionaries(st.sampled_from(DAYS[1:]), some_content, max_size=4),
    )
    def begin(self, content: Content, length: int, increments: dict[date, Content]) -> None:
        self.fresh_report(0, length, content)
        for day, delivered in increments.items():
            self.deliver(day, delivered)

    @rule(offset=st.integers(0, 4), length=st.integers(1, 3), content=some_content)
    def fresh_report(self, offset: int, length: int, content: Content) -> None:
        files = self.pipeline.files
        days = DAYS[offset : offset + length]
        files.days = days[0], days[-1]
        files.orders = content.of(days)
        report = self.pipeline.source.ensure_report(new=True, on_wait=lambda _: None)
        self.model.add_report(Report(report.report_id, *files.days), files.orders)
        self.report = content

    @rule(edits=some_edits)
    def redeliver_report(self, edits: list[Edit]) -> None:
        self.report = self.report.edited(edits)
        report = self.model.reports[-1]
        body = self.report.of(days_between(report.first_day, report.last_day))
        self.pipeline.simulator.redeliver_report(body)
        self.model.redeliver_report(body)

    @rule(day=st.sampled_from(DAYS), content=some_content)
    def deliver(self, day: date, content: Content) -> None:
        """Say something else of a day from now on; what the source has written stays."""
        self.model.answers[day] = self._replace(day, content)

    @precondition(lambda self: self.model.answers)
    @rule(data=st.data(), edits=st.none() | some_edits)
    def redeliver(self, data: st.DataObject, edits: list[Edit] | None) -> None:
        """Write a day again: with other rows, or as it was before."""
        day = data.draw(st.sampled_from(sorted(self.model.answers)))
        earlier = self.contents[day]
        content = earlier[-1].edited(edits) if edits else earlier[-2:][0]
        self.model.redeliver(day, self._replace(day, content))
        self.pipeline.simulator.redeliver(day)

    def _replace(self, day: date, content: Content) -> bytes:
        self.contents.setdefault(day, []).append(content)
        self.pipeline.files.increments[day] = content.of([day])
        return self.pipeline.files.increments[day]

    def _there(self) -> set[date]:
        """Return days that the source has: of others a load comes to nothing."""
        report = self.model.reports[-1]
        covered = days_between(report.first_day, report.last_day)
        return {*self.model.loaded, *covered, *self.model.answers}

    # --- Runs -------------------------------------------------------------------------------------

    @rule(data=st.data())
    def load(self, data: st.DataObject) -> None:
        days, planned = data.draw(some_of(self._there())), data.draw(st.booleans())
        allow_empty = data.draw(st.booleans())
        self.runs(loading(self.pipeline, days, planned=planned, allow_empty=allow_empty))

    @rule(data=st.data(), latest=st.booleans(), steps=st.integers(1, 2))
    def begin_to_load(self, data: st.DataObject, latest: bool, steps: int) -> None:
        """Load days in a run that ends between two of its steps."""
        days = data.draw(some_of(self._there()))
        self.runs(loading(self.pipeline, days, latest=latest).only(0, steps))

    @rule(data=st.data(), allow_empty=st.booleans())
    def load_from_the_latest_report(self, data: st.DataObject, allow_empty: bool) -> None:
        days = data.draw(some_of(self._there()))
        self.runs(loading(self.pipeline, days, latest=True, allow_empty=allow_empty))

    @rule(days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True))
    def load_any_days(self, days: list[date]) -> None:
        """Load days that the source may not have: all of them, or none."""
        self.runs(loading(self.pipeline, days))

    @rule(pauses=st.booleans())
    def load_the_next_day(self, pauses: bool) -> None:
        """Load the day that follows from the warehouse and the source: Dagster knows of no run."""
        decision = self.pipeline.planner(pauses=pauses).next()
        day = self.model.next_day(FIRST_DAY)
        note(str(decision))
        assert (decision.day if isinstance(decision, Load) else None) == day
        if day:
            self.runs(loading(self.pipeline, [day], planned=True))

    @precondition(lambda self: self.model.raw)
    @rule(data=st.data(), planned=st.booleans())
    def go_on(self, data: st.DataObject, planned: bool) -> None:
        """Do again what comes after finding the objects, as a run that is resumed does."""
        days = data.draw(some_of(self.model.raw))
        self.runs(loading(self.pipeline, days, planned=planned).only(1))

    @precondition(lambda self: self.model.staged)
    @rule(data=st.data(), migrating=st.booleans())
    def rebuild(self, data: st.DataObject, migrating: bool) -> None:
        """Make the mart anew, and the schema up to date before it: both are for any moment."""
        days = data.draw(some_of(self.model.staged))
        if migrating:
            assert migrate(self.bench.owners) == []
        self.runs(loading(self.pipeline, days).only(2))

    # --- Runs that meet, or are cut short ---------------------------------------------------------

    @rule(
        data=st.data(),
        message=st.integers(0, 90),
        answered=st.booleans(),
        latest=st.booleans(),
        planned=st.booleans(),
    )
    def load_that_is_killed(
        self, data: st.DataObject, message: int, answered: bool, latest: bool, planned: bool
    ) -> None:
        """Killed at any message to the warehouse, each step is done whole or not at all."""
        days = data.draw(some_of(self._there()))
        self.bench.severing.sever(message, answered=answered, for_good=True)
        run = loading(self.bench.severed, days, latest=latest, planned=planned)
        error = failure(run)
        killed = self.bench.severing.has_severed
        note(f"killed: {killed}, {error!r}")
        outcomes = [self.model.copy() for _ in range(len(run.model_steps) + 1)]
        for done, outcome in enumerate(outcomes):
            goes(run.model_steps[:done], outcome)
        self.is_one_of(outcomes if killed else outcomes[-1:])

    @rule(data=st.data(), message=st.integers(0, 90), answered=st.booleans())
    def load_whose_connection_breaks(
        self, data: st.DataObject, message: int, answered: bool
    ) -> None:
        """Broken at any message to the warehouse, a step is done again and as if only once."""
        days = data.draw(some_of(self._there()))
        self.bench.severing.sever(message, answered=answered, for_good=False)
        self.runs(loading(self.bench.retrying, days))

    @rule(data=st.data())
    def two_loads_at_once(self, data: st.DataObject) -> None:
        """Whichever steps of the one come between which of the other, each step is done whole."""
        first, second = (
            loading(
                pipeline,
                data.draw(some_of(self._there())),
                latest=data.draw(st.booleans()),
                planned=data.draw(st.booleans()),
                allow_empty=data.draw(st.booleans()),
            )
            for pipeline in (self.pipeline, self.bench.other)
        )
        with ThreadPoolExecutor(2) as pool:
            note(str(list(pool.map(failure, (first, second)))))
        outcomes: list[Model] = []
        for places in combinations(
            range(len(first.model_steps) + len(second.model_steps)), len(first.model_steps)
        ):
            outcome = interleaved(self.model.copy(), first.model_steps, second.model_steps, places)
            if outcome not in outcomes:
                outcomes.append(outcome)
        self.is_one_of(outcomes)

    # --- Comparing --------------------------------------------------------------------------------

    def runs(self, run: Run) -> None:
        """Do the run, and what the model says that it does."""
        error = failure(run)
        fails = goes(run.model_steps, self.model)
        note(repr(error))
        assert type(error) is (_ERRORS[fails] if fails else type(None))
        self.is_one_of([self.model])

    def is_one_of(self, outcomes: Sequence[Model]) -> None:
        """Check that every table is as in one of the outcomes, and go on from there."""
        self.model = model.the_one_that_holds(outcomes, all_tables(self.bench.reading))


PARTS = 5
"""The histories are so many tests, which processes side by side share."""


@pytest.mark.parametrize("part", range(PARTS))
def test_after_any_history_every_table_is_what_the_model_says(
    open_pipeline: OpenPipeline, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    # What is tried again is tried at once.
    monkeypatch.setattr("etl_assets.clients.retries._back_off", wait_none())
    files = GivenFiles(csv_file(), (FIRST_DAY, FIRST_DAY))
    with ExitStack() as stack:
        bench = Bench(open_pipeline(files, today=TODAY, start_day=FIRST_DAY), stack)

        def histories() -> Histories:
            return Histories(bench)

        # A function will do, say its docs.
        run_state_machine_as_test(
            histories if _soaks() else seed(part)(histories),  # pyright: ignore[reportArgumentType]
            settings=_settings(),
        )


def _settings() -> settings:
    """Return which histories: the same few hundred each time, or with `soak` ever others."""
    if _soaks():
        return settings(max_examples=settings().max_examples // PARTS, stateful_step_count=30)
    # A database of failures would have others come first.
    return settings(max_examples=200 // PARTS, stateful_step_count=15, deadline=None, database=None)


def _soaks() -> bool:
    return settings.get_current_profile_name() == "soak"
