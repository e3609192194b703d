"""The rules for a row: the form and the range of each value."""

from collections.abc import Iterator
from datetime import date

from etl_assets.frames import pl
from etl_assets.staging.csv_rows import SURPLUS

MAX_UNIQ_ID_BYTES = 1_000
"""A row with a longer `uniq_id` is rejected: an index entry of mart.f_sales has 2,700 bytes."""

_STATUSES = ("shipped", "refunded")
_WHOLE_NUMBERS = ("city_id", "customer_id", "item_id", "quantity")
TYPED = ("date_time", "payment_amount", *_WHOLE_NUMBERS)
"""The columns that are not text."""

# [0-9], because \d matches the digits of every script.
_DATE_TIME = (
    r"^(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
    # Not 60: the parser would read a leap second as the next minute.
    r"(?:[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,6})?)?$"
)
_WHOLE_NUMBER = r"^-?[0-9]+$"
_DECIMAL = r"^-?[0-9]+(?:\.[0-9]+)?$"
_NUMERIC_14_2 = r"^-?0*[0-9]{1,12}(?:\.[0-9]{1,2}0*)?$"


def judge(
    texts: pl.LazyFrame, known: list[str], first_day: date, last_day: date, *, has_nul: bool
) -> pl.DataFrame:
    """Add `partition_day`, the typed columns (`typed_…`) and `reason`, null for a valid row.

    Args:
        texts: the rows, as `read_texts` returns them.
        known: the columns of `KNOWN_COLUMNS` that the file has.
        first_day: the first day that a row may have.
        last_day: the last day that a row may have.
        has_nul: whether a text may contain a NUL character.
    """
    typed = (
        texts.with_columns(
            is_date_time=pl.col("date_time").str.contains(_DATE_TIME),
            is_amount=pl.col("payment_amount").str.contains(_NUMERIC_14_2),
            **{f"is_{name}": pl.col(name).str.contains(_WHOLE_NUMBER) for name in _WHOLE_NUMBERS},
        )
        .with_columns(
            typed_date_time=pl.when("is_date_time").then(_date_time(pl.col("date_time"))),
            typed_payment_amount=pl.when("is_amount").then(
                pl.col("payment_amount").cast(pl.Decimal(14, 2), strict=False)
            ),
            **{
                f"typed_{name}": pl.when(f"is_{name}").then(
                    pl.col(name).cast(pl.Int64, strict=False)
                )
                for name in _WHOLE_NUMBERS
            },
        )
        .with_columns(partition_day=pl.col("typed_date_time").dt.date())
    )
    faults = list(_faults(known, first_day, last_day, has_nul=has_nul))
    judged = typed.with_columns(
        is_wrong=pl.any_horizontal(wrong for wrong, _ in faults), reason=pl.lit(None, pl.String)
    ).collect()
    # Wrong rows are rare, so looking first is faster.
    if not judged["is_wrong"].any():
        return judged
    return judged.with_columns(
        reason=pl.coalesce(pl.when(wrong).then(reason) for wrong, reason in faults)
    )


def _date_time(text: pl.Expr) -> pl.Expr:
    """Cast texts that match `_DATE_TIME`; null where no such day or time exists."""
    return (
        pl.when(text.str.len_bytes() == len("2024-02-25"))
        .then(text + "T00:00:00")
        .otherwise(text.str.replace(" ", "T", literal=True))
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    )


def _faults(
    known: list[str], first_day: date, last_day: date, *, has_nul: bool
) -> Iterator[tuple[pl.Expr, pl.Expr]]:
    """Yield each fault of a row with its reason. Of several faults, the first counts.

    What only tells reasons apart is in the reason's expression, which is computed for few pieces.
    """
    reason = pl.lit
    yield pl.col(SURPLUS).is_not_null(), reason("the row has more values than the file has columns")
    for name in known:
        column = pl.col(name)
        yield column.is_null(), reason(f"{name} is missing")
        if has_nul:
            yield column.str.contains("\0", literal=True), reason(f"{name} holds a NUL character")
    if "uniq_id" in known:
        yield (
            pl.col("uniq_id").str.len_bytes() > MAX_UNIQ_ID_BYTES,
            reason(f"uniq_id is out of range: {MAX_UNIQ_ID_BYTES} bytes"),
        )
    yield (
        pl.col("typed_date_time").is_null(),
        reason("date_time is not a date and time without zone"),
    )
    outside = ~pl.col("partition_day").is_between(first_day, last_day)
    span = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
    yield outside, reason(f"date_time is outside what the object may hold, {span}")
    for name in _WHOLE_NUMBERS:
        yield (
            pl.col(f"typed_{name}").is_null(),
            pl.when(f"is_{name}")
            .then(reason(f"{name} is out of range"))
            .otherwise(reason(f"{name} is not a whole number")),
        )
    yield (
        pl.col("typed_payment_amount").is_null(),
        pl.when(pl.col("payment_amount").str.contains(_DECIMAL))
        .then(reason("payment_amount is out of range: numeric(14, 2)"))
        .otherwise(reason("payment_amount is not a decimal number")),
    )
    for name in ("quantity", "payment_amount"):
        yield pl.col(f"typed_{name}") <= 0, reason(f"{name} is not above zero")
    if "status" in known:
        yield (
            ~pl.col("status").is_in(_STATUSES),
            reason(f"status is neither {' nor '.join(_STATUSES)}"),
        )
