"""Days as arguments and options of commands."""

from datetime import date

import click


class Day(click.ParamType[date]):
    """A day such as 2024-02-25."""

    name = "day"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Return the day. Any other text ends the command as wrong use."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2024-02-25", param, ctx)


DAY = Day()


def require_range(first: date | None, last: date | None) -> None:
    """Refuse a range that ends before it begins."""
    if first and last and first > last:
        raise click.UsageError(f"--from {first} is after --to {last}")
