"""`etl-assets adopt`: the days of an old database, together with those of the source."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from etl_assets.clients.transactions import writing
from etl_assets.errors import EtlError
from etl_assets.legacy.adopt import adopt
from etl_assets.legacy.old_database import OldDatabase
from etl_assets.planning.planner import Load, Wait
from etl_assets.settings import OldDatabaseSettings
from etl_assets_tests.conftest import MakeDatabase
from etl_assets_tests.support.command_line import Etl, interrupt, program
from etl_assets_tests.support.files import FRIDAY, MONDAY, THURSDAY, TUESDAY, WEDNESDAY, order
from etl_assets_tests.support.old_pipeline import OldPipeline, adopted, fact
from etl_assets_tests.support.pipeline import Pipeline, holding
from etl_assets_tests.support.processes import wait_until

LAST_WEEK = MONDAY - timedelta(days=7)
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
LONG_NAME = "Александр-Константин"


@pytest.fixture
def old(make_database: MakeDatabase, environment: pytest.MonkeyPatch) -> OldPipeline:
    """A database with grouped facts of two Mondays; raw rows of the later one are in staging."""
    old = OldPipeline(make_database("template1"), "grouped")
    for day in (LAST_WEEK, MONDAY):
        old.load(
            order(day, customer_id=7),
            order(day, customer_id=7),
            order(day, customer_id=8, status="refunded", last_name=LONG_NAME),
        )
    environment.setenv("OLD_WAREHOUSE_URL", old.url)
    return old


@pytest.fixture
def doubled(make_database: MakeDatabase, environment: pytest.MonkeyPatch) -> OldPipeline:
    """A database with a fact for each raw row: one order twice, and another customer's order."""
    old = OldPipeline(make_database("template1"), "doubled")
    old.load(
        order(LAST_WEEK, "a"),
        order(LAST_WEEK, "a"),
        order(LAST_WEEK, "b", customer_id=8, status="refunded"),
    )
    environment.setenv("OLD_WAREHOUSE_URL", old.url)
    return old


SUMMED_UP = adopted(
    LAST_WEEK,
    fact(LAST_WEEK, customer_id=7, quantity=4, payment_amount=200),
    fact(LAST_WEEK, customer_id=8, status="refunded", last_name=LONG_NAME[:15]),
)
"""The adopted day of last week's Monday, from its facts."""

RAW_ROWS = adopted(
    MONDAY,
    fact(MONDAY, customer_id=7),
    fact(MONDAY, customer_id=7),
    fact(MONDAY, customer_id=8, status="refunded", last_name=LONG_NAME),
)
"""The adopted day of this week's Monday, from its raw rows."""


def adopted_from(pipeline: Pipeline) -> list[tuple[object, ...]]:
    """Return the adopted days, and the old table that each came from."""
    return pipeline.query(
        "SELECT partition_day, adopted_from FROM mart.loaded_day"
        " WHERE adopted_from IS NOT NULL ORDER BY partition_day"
    )


# --- Which rows are adopted -----------------------------------------------------------------------


def test_days_are_adopted_from_raw_rows_if_there_are_any_and_else_from_facts(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    before = old.contents()
    result = etl("adopt")
    assert "(2 days): 4 orders of 5 rows, 1 duplicates, 0 rejected" in result.stdout
    assert "The old database has only the facts of 2024-02-19:" in result.stderr
    pipeline.holds({LAST_WEEK: SUMMED_UP, MONDAY: RAW_ROWS})
    assert adopted_from(pipeline) == [
        (LAST_WEEK, "mart.f_sales"),
        (MONDAY, "staging.user_order_log"),
    ]
    assert old.contents() == before


def test_days_that_were_loaded_from_the_source_are_not_adopted(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    pipeline.load(MONDAY)
    # A day that is only staged from the source counts too: the next load brings it into the mart.
    pipeline.stage(TUESDAY)
    old.load(order(TUESDAY))
    result = etl("adopt")
    assert "loaded from the source: 2024-02-26 to 2024-02-27 (2 days)" in result.stderr
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY) | {LAST_WEEK: SUMMED_UP})


def test_a_second_adoption_does_nothing_until_the_old_rows_change(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    etl("adopt")
    loads = pipeline.loads("partition_day, loaded_at")
    result = etl("adopt")
    assert result.stdout == "Nothing to adopt\n"
    assert (
        "Already adopted, and unchanged since: 2024-02-19 to 2024-02-26 (2 days)" in result.stderr
    )
    assert pipeline.loads("partition_day, loaded_at") == loads
    old.query(
        "UPDATE mart.f_sales SET quantity = 1, payment_amount = 50 WHERE payment_amount = 200"
    )
    assert etl("adopt").stdout.startswith("Adopted 2024-02-19: 2 orders of 2 rows")


def test_a_range_of_days_can_be_adopted(etl: Etl, pipeline: Pipeline, old: OldPipeline) -> None:
    assert "is after --to" in etl("adopt", "--from", TUESDAY, "--to", MONDAY, code=2).stderr
    etl("adopt", "--to", MONDAY - timedelta(days=1))
    pipeline.holds({LAST_WEEK: SUMMED_UP})
    etl("adopt", old.url, "--from", MONDAY)
    pipeline.holds({LAST_WEEK: SUMMED_UP, MONDAY: RAW_ROWS})


def test_raw_rows_are_not_used_if_the_facts_have_more_sales(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    old.query("DELETE FROM staging.user_order_log WHERE customer_id = 8")
    etl("adopt", "--from", MONDAY)
    facts = (
        fact(MONDAY, customer_id=7, quantity=4, payment_amount=200),
        fact(MONDAY, customer_id=8, status="refunded", last_name=LONG_NAME[:15]),
    )
    pipeline.holds({MONDAY: adopted(MONDAY, *facts)})


def test_raw_rows_of_a_day_without_facts_are_adopted(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    old.query("TRUNCATE mart.f_sales")
    etl("adopt")
    pipeline.holds({MONDAY: RAW_ROWS})


def test_a_date_id_can_be_any_time_of_its_day(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    old.query("TRUNCATE staging.user_order_log, mart.d_calendar")
    old.query("UPDATE mart.f_sales SET date_id = date_id + 86399")
    etl("adopt", "--from", LAST_WEEK, "--to", LAST_WEEK)
    at = f"{LAST_WEEK}T23:59:59"
    facts = (
        fact(LAST_WEEK, date_time=at, customer_id=7, quantity=4, payment_amount=200),
        fact(LAST_WEEK, date_time=at, customer_id=8, status="refunded", last_name=LONG_NAME[:15]),
    )
    pipeline.holds({LAST_WEEK: adopted(LAST_WEEK, *facts)})


@pytest.mark.usefixtures("doubled")
def test_uniq_id_of_raw_rows_is_kept(etl: Etl, pipeline: Pipeline) -> None:
    etl("adopt")
    rows = (
        order(LAST_WEEK, "a"),
        order(LAST_WEEK, "a"),
        order(LAST_WEEK, "b", customer_id=8, status="refunded"),
    )
    pipeline.holds({LAST_WEEK: adopted(LAST_WEEK, *rows)})


def test_a_date_id_such_as_20240219_needs_no_calendar(
    etl: Etl, pipeline: Pipeline, doubled: OldPipeline
) -> None:
    doubled.query("TRUNCATE staging.user_order_log, mart.d_calendar")
    etl("adopt")
    assert adopted_from(pipeline) == [(LAST_WEEK, "mart.f_sales")]


def test_equal_facts_are_duplicates(etl: Etl, pipeline: Pipeline, doubled: OldPipeline) -> None:
    doubled.query("TRUNCATE staging.user_order_log")
    etl("adopt")
    facts = (fact(LAST_WEEK), fact(LAST_WEEK), fact(LAST_WEEK, customer_id=8, status="refunded"))
    pipeline.holds({LAST_WEEK: adopted(LAST_WEEK, *facts)})


def test_equal_facts_are_separate_orders_with_keep_duplicates(
    etl: Etl, pipeline: Pipeline, doubled: OldPipeline
) -> None:
    doubled.query("TRUNCATE staging.user_order_log")
    assert "3 orders of 3 rows, 0 duplicates" in etl("adopt", "--keep-duplicates").stdout
    assert pipeline.query("SELECT sum(payment_amount) FROM mart.f_sales") == [(100,)]
    etl("adopt")
    assert pipeline.query("SELECT sum(payment_amount) FROM mart.f_sales") == [(0,)]


def test_members_that_a_dimension_lacks_are_unknown(
    etl: Etl, pipeline: Pipeline, doubled: OldPipeline
) -> None:
    doubled.query("TRUNCATE staging.user_order_log, mart.d_customer, mart.d_item")
    doubled.query("UPDATE mart.d_city SET city_name = NULL")
    etl("adopt")
    assert pipeline.query(
        "SELECT DISTINCT first_name, last_name, item_name, city_name"
        " FROM mart.d_customer, mart.d_item, mart.d_city"
    ) == [("unknown",) * 4]


def test_facts_that_cannot_be_orders_are_in_quarantine(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    old.query("UPDATE mart.f_sales SET quantity = 0, payment_amount = 0 WHERE customer_id = 7")
    result = etl("adopt", "--to", LAST_WEEK)
    assert "1 orders of 2 rows, 0 duplicates, 1 rejected" in result.stdout
    assert pipeline.rejected() == [(2, LAST_WEEK, "quantity is not above zero")]


@pytest.mark.parametrize("with_foreign_keys", [True, False])
def test_facts_can_refer_to_the_dimensions_own_ids(
    etl: Etl, pipeline: Pipeline, old: OldPipeline, *, with_foreign_keys: bool
) -> None:
    old.refer_by_serial_ids(with_foreign_keys=with_foreign_keys)
    etl("adopt", "--to", LAST_WEEK)
    pipeline.holds({LAST_WEEK: SUMMED_UP})


def test_a_foreign_key_decides_which_id_facts_refer_to(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    # Now each source id of a member is also the table's own id of another member.
    old.query("INSERT INTO mart.d_item (id, item_id) VALUES (3, 30)")
    old.query("INSERT INTO mart.d_city (id, city_id) VALUES (0, 90)")
    old.query("INSERT INTO mart.d_customer (id, customer_id) VALUES (7, 70), (8, 80)")
    assert (
        "It is unclear whether city_id, customer_id, item_id of the old mart.f_sales are the "
        "source's ids or the dimensions' own" in etl("adopt", code=1).stderr
    )
    for dimension in ("item", "city", "customer"):
        column = f"{dimension}_id"
        old.query(f"ALTER TABLE mart.d_{dimension} ADD UNIQUE ({column})")
        old.query(
            f"ALTER TABLE mart.f_sales ADD FOREIGN KEY ({column}) REFERENCES"
            f" mart.d_{dimension} ({column})"
        )
    etl("adopt", "--to", LAST_WEEK)
    pipeline.holds({LAST_WEEK: SUMMED_UP})


def test_nulls_are_in_quarantine_or_unknown(
    etl: Etl, pipeline: Pipeline, doubled: OldPipeline
) -> None:
    doubled.query("TRUNCATE staging.user_order_log")
    doubled.query("ALTER TABLE mart.f_sales ALTER city_id DROP NOT NULL")
    doubled.query("UPDATE mart.f_sales SET city_id = NULL WHERE id = 1")
    doubled.query("UPDATE mart.f_sales SET quantity = NULL, payment_amount = NULL WHERE id = 2")
    doubled.query("UPDATE mart.d_customer SET first_name = NULL, last_name = ''")
    assert "1 orders of 3 rows, 0 duplicates, 2 rejected" in etl("adopt").stdout
    assert pipeline.query("SELECT first_name, last_name FROM mart.d_customer") == [
        ("unknown", "unknown")
    ]
    assert {reason for *_, reason in pipeline.rejected()} == {
        "city_id is missing",
        "quantity is missing",
    }


# --- Together with the source ---------------------------------------------------------------------


@pytest.mark.usefixtures("old")
def test_a_load_from_the_source_replaces_an_adopted_day(etl: Etl, pipeline: Pipeline) -> None:
    etl("adopt")
    etl("backfill", "--from", MONDAY, "--to", MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY) | {LAST_WEEK: SUMMED_UP})
    etl("adopt")
    assert adopted_from(pipeline) == [(LAST_WEEK, "mart.f_sales")]


def test_the_planner_loads_adopted_days_that_the_source_has(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    pipeline.load(MONDAY)
    for day in (TUESDAY, WEDNESDAY, THURSDAY):
        old.load(order(day))
    etl("adopt")
    assert pipeline.planner().next() == Load(TUESDAY)
    pipeline.load(TUESDAY, WEDNESDAY)
    # The source has lost Thursday, so the adopted day counts as done.
    del pipeline.files.increments[THURSDAY]
    assert pipeline.planner().next() == Load(FRIDAY)
    pipeline.load(FRIDAY)
    assert isinstance(pipeline.planner().next(), Wait)


@pytest.mark.usefixtures("old")
def test_adopted_days_are_not_checked_for_redeliveries(etl: Etl, pipeline: Pipeline) -> None:
    etl("adopt")
    assert pipeline.source.redelivered([LAST_WEEK, MONDAY]).etags == {}


@pytest.mark.usefixtures("old")
def test_a_rebuilt_mart_has_the_adopted_days(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    assert f"To include them, set ETL_START_DATE={LAST_WEEK}" in etl("adopt").stderr
    environment.setenv("ETL_START_DATE", str(LAST_WEEK))
    pipeline.query("DELETE FROM mart.f_sales")
    etl("rebuild")
    pipeline.holds({LAST_WEEK: SUMMED_UP, MONDAY: RAW_ROWS})
    assert adopted_from(pipeline)[0] == (LAST_WEEK, "mart.f_sales")


@pytest.mark.usefixtures("old")
def test_status_shows_the_table_that_a_day_was_adopted_from(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.load(TUESDAY)
    etl("adopt")
    shown = etl("status").stdout
    assert "3 days loaded (2 of them adopted), 3 missing:" in shown
    assert "/mart.f_sales\n" in shown
    assert "tester" not in shown.partition("object 1:")[2].partition("\n")[0]


def test_adopted_days_do_not_count_for_the_usual_number_of_orders(
    etl: Etl, pipeline: Pipeline, doubled: OldPipeline
) -> None:
    for weeks in (2, 3):
        doubled.load(*[order(MONDAY - timedelta(days=7 * weeks))] * 50)
    etl("adopt")
    assert pipeline.load(MONDAY).weekdays == []


@pytest.mark.usefixtures("old")
def test_a_failed_check_leaves_nothing_adopted(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.query(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RETURN CASE WHEN new.date_id < etl.date_id('{MONDAY}') THEN new END; END $$;"
        " CREATE TRIGGER lose BEFORE INSERT ON mart.f_sales FOR EACH ROW EXECUTE FUNCTION lose()"
    )
    error = etl("adopt", code=1).stderr
    assert "Nothing was adopted, because the mart would be wrong" in error
    assert f"facts_equal_staging: {MONDAY}" in error
    pipeline.holds({})


def test_ctrl_c_leaves_nothing_half_adopted(etl: Etl, pipeline: Pipeline, old: OldPipeline) -> None:
    with (
        pipeline.warehouse.session() as connection,
        writing(connection),
        program("adopt") as adopting,
    ):
        wait_until(lambda: pipeline.query(WAITING))
        assert "Interrupted. " in interrupt(adopting)
    pipeline.holds({})
    before = old.contents()
    etl("adopt")
    pipeline.holds({LAST_WEEK: SUMMED_UP, MONDAY: RAW_ROWS})
    assert old.contents() == before


@pytest.mark.usefixtures("old")
def test_a_load_of_the_same_day_from_the_source_wins(pipeline: Pipeline) -> None:
    old = OldDatabase(OldDatabaseSettings.read().url)
    with ThreadPoolExecutor() as pool:
        with pipeline.warehouse.session() as connection, writing(connection):
            both = [
                pool.submit(adopt, pipeline.warehouse, old),
                pool.submit(pipeline.load, MONDAY),
            ]
            wait_until(lambda: len(pipeline.query(WAITING)) == len(both))
        for each in both:
            each.result()
    pipeline.holds(holding(pipeline.files, MONDAY) | {LAST_WEEK: SUMMED_UP})


# --- The old database -----------------------------------------------------------------------------


def test_the_old_database_is_read_only(old: OldPipeline) -> None:
    opened = OldDatabase(OldDatabaseSettings.read().url, retry_seconds=0)
    with pytest.raises(EtlError, match="The old database says: cannot execute DELETE in a read-"):
        opened.run(lambda connection: connection.execute("DELETE FROM mart.f_sales"))
    assert old.contents()[0]


@pytest.mark.usefixtures("pipeline")
def test_its_password_is_shown_nowhere(
    etl: Etl, old: OldPipeline, environment: pytest.MonkeyPatch
) -> None:
    password = str(urlsplit(old.url).password)
    assert "see the password" not in etl("adopt").output
    environment.delenv("OLD_WAREHOUSE_URL")
    environment.setenv("PGPASSWORD", password)
    for url, message, code in [
        (old.url, "Other users of this machine can see the password in OLD_URL", 0),
        (old.url.replace(f":{password}", ""), "Nothing to adopt", 0),
        (old.url.replace(password, password + "x"), "password authentication failed", 1),
        (old.url.replace(password, password + "/"), "OLD_WAREHOUSE_URL is malformed", 2),
    ]:
        shown = etl("adopt", url, code=code).output
        assert message in shown
        assert password not in shown


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DROP TABLE mart.d_item", "The old database lacks mart.d_item. Check that OLD_URL names"),
        ("ALTER TABLE mart.f_sales DROP city_id", "lacks mart.f_sales (city_id). Check"),
        (
            "UPDATE mart.f_sales SET date_id = 5 WHERE id = 1",
            "The day of 1 old facts is unknown: a date_id such as 5 is no epoch second",
        ),
        (
            "ALTER TABLE mart.f_sales ALTER date_id DROP NOT NULL;"
            "UPDATE mart.f_sales SET date_id = NULL",
            "The day of 4 old facts is unknown: a date_id such as NULL is no epoch second",
        ),
    ],
)
def test_a_database_that_is_no_old_one_is_refused(
    etl: Etl, old: OldPipeline, change: str, message: str
) -> None:
    old.query(change)
    assert message in etl("adopt", code=1).stderr


def test_an_empty_old_database_has_no_days_to_adopt(
    etl: Etl, pipeline: Pipeline, old: OldPipeline
) -> None:
    old.query("TRUNCATE mart.f_sales, mart.d_calendar, staging.user_order_log")
    assert etl("adopt").stdout == "Nothing to adopt\n"
    pipeline.holds({})


def test_a_warehouse_of_this_project_is_refused(etl: Etl, pipeline: Pipeline) -> None:
    assert "names a warehouse of this project" in etl("adopt", pipeline.owners_url, code=1).stderr
