"""Order logs: those that tests write, and the real ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from etl_assets_tests.properties.oracle import Delivery

MONDAY = date(2024, 2, 26)
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = (
    MONDAY + timedelta(days=number) for number in range(1, 7)
)

ORDER = {
    "id": "1",
    "uniq_id": "a",
    "date_time": "2024-02-26T00:00:00",
    "city_id": "0",
    "city_name": "Москва",
    "customer_id": "7",
    "first_name": "Ольга",
    "last_name": "Орлова",
    "item_id": "3",
    "item_name": "Яблоко",
    "quantity": "2",
    "payment_amount": "100",
    "status": "shipped",
}
COLUMNS = tuple(ORDER)

REAL_FILES = Path(__file__).parents[3] / "shared" / "source-files"


def without(*columns: str) -> tuple[str, ...]:
    """Return the contract's columns without the given ones."""
    return tuple(column for column in COLUMNS if column not in columns)


def order(day: date, uniq_id: str = "a", **values: object) -> dict[str, str]:
    """Return a row for `csv_file`: an order of the day, with the given values."""
    texts = {name: str(value) for name, value in values.items()}
    return {"date_time": f"{day}T00:00:00", "uniq_id": uniq_id} | texts


def csv_file(
    *rows: Mapping[str, str] | str, columns: Iterable[str] = COLUMNS, end: str = "\r\n"
) -> bytes:
    """Return an order log. A row's values replace those of `ORDER`; a text is a line as it is."""
    columns = tuple(columns)
    lines = [",".join(columns)]
    for row in rows:
        if isinstance(row, str):
            lines.append(row)
        else:
            values = {**ORDER, **row}
            lines.append(",".join(values.get(column, "") for column in columns))
    return "".join(line + end for line in lines).encode()


def increment(body: bytes, day: date = MONDAY) -> Delivery:
    """Return an increment, which may have orders of its own day only."""
    return Delivery(body, day, day)


@dataclass(frozen=True)
class RealFiles:
    """The source's real order logs: a report, increments, and a day as another report served it."""

    report: Delivery
    increments: Mapping[date, Delivery]
    monday_of_other_report: Delivery

    @classmethod
    def read(cls) -> "RealFiles":
        """Read the files."""
        days = sorted(date.fromisoformat(folder.name) for folder in _folders("increments"))
        name = "user_order_log_inc.csv"
        return cls(
            Delivery(
                (REAL_FILES / "report/user_order_log.csv").read_bytes(),
                date(2024, 2, 2),
                date(2024, 2, 24),
            ),
            {
                day: increment((REAL_FILES / f"increments/{day}/{name}").read_bytes(), day)
                for day in days
            },
            increment((REAL_FILES / f"same-day-other-report/{MONDAY}/{name}").read_bytes()),
        )

    @property
    def days(self) -> dict[date, Delivery]:
        """The delivery of each day."""
        first, last = self.report.first_day, self.report.last_day
        covered = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return dict.fromkeys(covered, self.report) | dict(self.increments)


def _folders(name: str) -> list[Path]:
    return [path for path in (REAL_FILES / name).iterdir() if path.is_dir()]
