"""Writes files into the object store: each once, unless a test delivers a day again."""

import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from etl_assets.embedded.object_store import EmbeddedObjectStore
from etl_assets.embedded.simulator.content import KINDS, ORDER_LOG, PRICE_LOG, Contents, SourceFiles
from etl_assets.embedded.simulator.ledger import Increment, Ledger, Report

BUCKET = "s3-sprint3"

_IN_MEMORY_BYTES = 32 << 20
_IN_ONE_CALL_BYTES = 8 << 20
"""More goes in parts, for which boto3 starts threads."""


class Interrupted(Exception):
    """The simulator was stopped while it wrote a report; the next start writes it again."""


class Deliveries:
    """The files of reports and increments in the bucket; a context manager.

    A report is written in the background, because it may take longer than a caller waits. An
    increment is written while its caller waits.
    """

    def __init__(
        self, store: EmbeddedObjectStore, ledger: Ledger, files: SourceFiles, spool: Path
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._files = files
        self._spool = spool
        self._given: dict[date, bytes] = {}
        self._reports: dict[int, Future[None]] = {}
        self._one_at_a_time = threading.RLock()
        self._stopping = threading.Event()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self._store.create_bucket(BUCKET)
        with ExitStack() as stack:
            self._client: Any = self._store.client()
            stack.callback(self._client.close)
            self._background = stack.enter_context(ThreadPoolExecutor(1, "report-writer"))
            stack.callback(self._stopping.set)
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def has_report(self, report: Report) -> bool:
        """Return whether a report's files are written; if not, write them in the background."""
        if self._ledger.is_written(report):
            return True
        with self._one_at_a_time:
            writing = self._reports.get(report.number)
            if writing is None:
                writing = self._background.submit(self._write_report, report)
                self._reports[report.number] = writing
            elif writing.done():
                del self._reports[report.number]
                writing.result()
        return self._ledger.is_written(report)

    def has_increment(self, increment: Increment) -> bool:
        """Return whether the increment exists; write its files at the first call."""
        with self._one_at_a_time:
            if increment in self._ledger.increments:
                return True
            if not self._write_increment(increment):
                return False
            self._ledger.add_increment(increment)
            return True

    def redeliver(self, day: date, orders: bytes | None) -> None:
        """Write the day's increments again, at the same addresses."""
        with self._one_at_a_time:
            if orders is not None:
                self._given[day] = orders
            for increment in self._ledger.increments:
                if increment.day == day:
                    self._write_increment(increment)

    def redeliver_report(self, report: Report, orders: bytes) -> None:
        """Write other orders at the address of a report's order log."""
        self._write(f"{report.folder}/{report.report_id}/{ORDER_LOG}.csv", [orders])

    def forget(self) -> None:
        """Forget all reports and increments; new ones replace the files at their addresses."""
        with self._one_at_a_time:
            for writing in self._reports.values():
                writing.result()
            self._given.clear()
            self._reports.clear()
            self._ledger.clear()

    def addresses(self, keys: dict[str, str]) -> dict[str, str]:
        """Return the keys as the API returns them: as URLs with the host and the bucket."""
        return {name: f"{self._store.endpoint_url}/{BUCKET}/{key}" for name, key in keys.items()}

    def _write_report(self, report: Report) -> None:
        contents = self._files.report(report.first_day, report.last_day)
        self._write_all(report_keys(report), contents, suffix="")
        self._ledger.add_written(report)

    def _write_increment(self, increment: Increment) -> bool:
        day, report = increment.day, self._ledger.report(increment.report)
        first_without_status = report.last_day + timedelta(days=1)
        contents = self._files.increment(day, with_status=day > first_without_status)
        if day in self._given:
            contents = {**(contents or {}), ORDER_LOG: [self._given[day]]}
        if contents is None:
            return False
        self._write_all(increment_keys(report, increment), contents, suffix="_inc")
        return True

    def _write_all(self, keys: dict[str, str], contents: Contents, *, suffix: str) -> None:
        for kind, pieces in contents.items():
            self._write(keys[kind + suffix], pieces)

    def _write(self, key: str, pieces: Iterable[bytes]) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(self._spool)) as file:
            for piece in pieces:
                if self._stopping.is_set():
                    raise Interrupted
                file.write(piece)
            size = file.tell()
            file.seek(0)
            if size <= _IN_ONE_CALL_BYTES:
                self._client.put_object(Bucket=BUCKET, Key=key, Body=file)
            else:
                self._client.upload_fileobj(file, BUCKET, key)


def report_keys(report: Report) -> dict[str, str]:
    """Return the object store's keys of a report's files."""
    return {kind: f"{report.folder}/{report.report_id}/{kind}.csv" for kind in KINDS}


def increment_keys(report: Report, increment: Increment) -> dict[str, str]:
    """Return the keys of an increment's files; the price log is in the report's folder."""
    own = report.increment_id(increment.day)
    return {
        f"{kind}_inc": f"{increment.folder}/"
        f"{report.report_id if kind == PRICE_LOG else own}/{kind}_inc.csv"
        for kind in KINDS
    }
