"""Reads the mart all the time and checks that its tables always agree with each other.

Each look is one snapshot of every table of the mart. The facts of a loaded day must be those of one
of its deliveries. Every table, weekly figures included, must be as the model computes it from these
deliveries.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from threading import Event, Thread
from typing import Self

import psycopg

from etl_assets_tests.properties import oracle
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.support.pipeline import Row, expected, mart_tables

Versions = Mapping[date, Sequence[Delivery]]
"""The possible deliveries of each day; no two of a day have the same orders."""


def seen(connection: psycopg.Connection[Row], versions: Versions) -> dict[date, Delivery]:
    """Read the mart once, check it, and return the delivery that each day was loaded from."""
    tables = mart_tables(connection)
    facts: dict[int, list[Row]] = {}
    for row in tables["f_sales"]:
        facts.setdefault(row[0], []).append(row)
    loaded: dict[date, Delivery] = {}
    for day, *_ in tables["loaded_day"]:
        of_day = facts.get(oracle.date_id(day), [])
        (loaded[day],) = (
            delivery for delivery in versions[day] if expected({day: delivery})[0].f_sales == of_day
        )
    whole, _ = expected(loaded)
    for name, rows in tables.items():
        assert rows == getattr(whole, name), name
    return loaded


class Watching:
    """A context manager that reads and checks the mart all the time, in a thread.

    Attributes:
        looks: how often it has read the mart.
    """

    def __init__(self, url: str, versions: Versions) -> None:
        self.looks = 0
        self._url = url
        self._versions = versions
        self._ending = Event()
        self._found: BaseException | None = None
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        if self._found:
            raise self._found

    def _watch(self) -> None:
        try:
            while not self._ending.is_set():
                self._look()
        except BaseException as error:
            self._found = error

    def _look(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                while not self._ending.is_set():
                    seen(connection, self._versions)
                    self.looks += 1
                    # Leave the processor to the loads.
                    self._ending.wait(0.03)
        except psycopg.OperationalError:
            # The server is restarting.
            self._ending.wait(0.05)
