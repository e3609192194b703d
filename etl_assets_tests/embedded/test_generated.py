"""Generated orders resemble the real ones, and are the same in every report and increment."""

import io
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_assets.embedded.simulator import GeneratedOrders

REAL = Path(__file__).parents[3] / "shared/source-files"
FIRST, LAST = date(2024, 2, 2), date(2024, 2, 24)

with_real_files = pytest.mark.skipif(not REAL.exists(), reason=f"no real files in {REAL}")


def joined(pieces: Iterable[bytes]) -> bytes:
    return b"".join(pieces)


def table(pieces: Iterable[bytes]) -> pl.DataFrame:
    return pl.read_csv(joined(pieces))


@pytest.fixture(scope="module")
def report() -> dict[str, bytes]:
    contents = GeneratedOrders(seed=7).report(FIRST, LAST)
    return {kind: joined(pieces) for kind, pieces in contents.items()}


@with_real_files
def test_files_have_the_headers_line_ends_and_columns_of_the_real_ones(
    report: dict[str, bytes],
) -> None:
    for kind, body in report.items():
        real = (REAL / "report" / f"{kind}.csv").read_bytes()
        assert body.splitlines()[0] == real.splitlines()[0]
        assert body.endswith(b"\r\n")
        assert body.count(b"\n") == body.count(b"\r\n")
        generated, wanted = pl.read_csv(body), pl.read_csv(real)
        assert generated.schema == wanted.schema
    day = date(2024, 2, 26)
    real = (REAL / f"increments/{day}/user_order_log_inc.csv").read_bytes()
    increment = GeneratedOrders(seed=7).increment(day, with_status=True)
    assert joined(increment["user_order_log"]).splitlines()[0] == real.splitlines()[0]


@with_real_files
def test_items_cities_and_people_are_the_real_ones(report: dict[str, bytes]) -> None:
    generated = pl.read_csv(report["user_order_log"])
    real = pl.read_csv(REAL / "report/user_order_log.csv")
    price = pl.col("payment_amount") / pl.col("quantity")
    for columns in (
        [pl.col("item_id"), pl.col("item_name"), price.alias("price")],
        [pl.col("city_id"), pl.col("city_name")],
        [pl.col("first_name")],
        [pl.col("last_name")],
    ):
        ours, theirs = (set(each.select(columns).rows()) for each in (generated, real))
        assert ours == theirs
    people = ["customer_id", "first_name", "last_name"]
    both = generated.select(people).unique().join(real.select(people).unique(), on="customer_id")
    assert both.height > 1_000
    assert both.filter(pl.col("last_name") != pl.col("last_name_right")).is_empty()
    assert both.filter(pl.col("first_name") != pl.col("first_name_right")).is_empty()


def test_three_rows_in_four_are_duplicates_within_their_day() -> None:
    rows = table(GeneratedOrders(seed=7).report(date(2023, 7, 1), LAST)["user_order_log"])
    orders = rows.drop("id").unique()
    assert orders["uniq_id"].n_unique() == orders.height
    assert 1 - orders.height / rows.height == pytest.approx(0.77, abs=0.02)
    a_day = rows.group_by("date_time").len()["len"]
    assert a_day.is_between(800, 1_200).all()


def test_two_thirds_of_the_customers_order_in_several_cities(report: dict[str, bytes]) -> None:
    cities = (
        pl.read_csv(report["user_order_log"])
        .group_by("customer_id")
        .agg(pl.col("city_id").n_unique())
    )
    assert (cities["city_id"] > 1).mean() == pytest.approx(2 / 3, abs=0.1)


def test_a_day_has_the_same_orders_in_a_report_and_in_an_increment(
    report: dict[str, bytes],
) -> None:
    day = date(2024, 2, 20)
    in_report = pl.read_csv(report["user_order_log"]).filter(
        pl.col("date_time") == f"{day}T00:00:00"
    )
    increment = table(GeneratedOrders(seed=7).increment(day, with_status=True)["user_order_log"])
    assert increment["id"].to_list() == list(range(1, in_report.height + 1))
    assert increment.drop("id", "status").equals(in_report.drop("id"))


def test_one_order_in_twenty_is_refunded() -> None:
    days = [FIRST + timedelta(days=n) for n in range(60)]
    orders = GeneratedOrders(seed=7)
    rows = pl.concat(table(orders.increment(d, with_status=True)["user_order_log"]) for d in days)
    status = rows.unique("uniq_id")["status"]
    assert set(status) == {"shipped", "refunded"}
    assert (status == "refunded").mean() == pytest.approx(0.05, abs=0.01)
    assert (rows["payment_amount"] > 0).all()


def test_seed_and_size_change_the_orders() -> None:
    def body(seed: int, rows_per_day: int) -> bytes:
        orders = GeneratedOrders(seed, rows_per_day)
        return joined(orders.increment(FIRST, with_status=True)["user_order_log"])

    assert body(1, 1_000) == body(1, 1_000)
    assert len({body(1, 1_000), body(2, 1_000), body(1, 1_001)}) == 3
    assert 80_000 <= body(1, 100_000).count(b"\n") <= 120_001


def test_a_day_can_be_cut_short_completed_and_changed() -> None:
    orders = GeneratedOrders(seed=7)

    def rows() -> pl.DataFrame:
        return table(orders.increment(FIRST, with_status=True)["user_order_log"])

    whole = rows()
    orders.cut_short(FIRST, 0.4)
    assert rows().equals(whole.head(round(0.4 * whole.height)))
    orders.cut_short(FIRST, 1)
    assert rows().equals(whole)
    orders.vary(FIRST)
    assert not set(rows()["uniq_id"]) & set(whole["uniq_id"])


def test_a_day_without_rows_is_a_header_alone(report: dict[str, bytes]) -> None:
    orders = GeneratedOrders(seed=7)
    orders.cut_short(FIRST, 0)
    body = joined(orders.increment(FIRST, with_status=False)["user_order_log"])
    assert body == io.BytesIO(report["user_order_log"]).readline()
