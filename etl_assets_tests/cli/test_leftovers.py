"""What runs leave behind: no secret and no name of a person, wherever one looks.

Runs that succeed and runs that fail, by the command line and by Dagster itself, on the dagster.yaml
that is shipped; then all that they have said and written is searched. Only the tables that hold
names by design are left out: those of staging and the mart.
"""

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.package_files import package_file
from etl_assets_tests.conftest import PASSWORD, MakeDatabase, OpenPipeline
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import (
    COLUMNS,
    MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
)
from etl_assets_tests.support.pipeline import Pipeline

FIRST, LAST = NAMES = ("Zebedee", "Quillfeather")
"""A customer's; in ASCII, so that no way of writing JSON hides them."""

WRONG = "hush-hush"
"""What every secret that is wrong begins with."""


@dataclass
class Leftovers:
    """All that runs leave behind: what they said, and what they wrote."""

    home: Path
    urls: dict[str, str]
    printed: dict[str, str] = field(default_factory=dict[str, str])

    def everything(self) -> Iterator[tuple[str, str]]:
        """Give each thing that was left, after where it was."""
        yield from self.printed.items()
        for path in self.home.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes().decode(errors="replace")
        for schema, url in self.urls.items():
            yield from rows_of(url, schema)

    def note_processes(self) -> None:
        """Note what `ps` shows of every process."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.printed[str(path)] = path.read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended meanwhile


def rows_of(url: str, schema: str) -> Iterator[tuple[str, str]]:
    """Give each row of a schema's tables as text; what is packed, unpacked."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
        ).fetchall()
        for (table,) in tables:
            name = Identifier(schema, table)
            for row in connection.execute(SQL("SELECT * FROM {}").format(name)):
                texts = (
                    zlib.decompress(value).decode() if isinstance(value, bytes) else str(value)
                    for value in row
                )
                yield f"{schema}.{table}", " ".join(texts)


def named(day: date, uniq_id: str = "a", **values: object) -> dict[str, str]:
    return order(day, uniq_id, first_name=FIRST, last_name=LAST, **values)


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report with rows in quarantine; increments that are refused, each for another reason."""
    report = csv_file(
        *(named(MONDAY, str(number)) for number in range(300)),
        named(MONDAY, "wrong", status="lost"),
        named(MONDAY, "0", quantity=7),
        columns=(*COLUMNS, "colour"),
    )
    increments = {
        TUESDAY: csv_file(named(TUESDAY), f'"{FIRST},"{LAST}"'),
        WEDNESDAY: csv_file(named(WEDNESDAY, status="lost")),
        THURSDAY: f"1,a,{THURSDAY},0,Moscow,7,{FIRST},{LAST},3,Apple,2,100\r\n".encode(),
    }
    return open_pipeline(GivenFiles(report, (MONDAY, MONDAY), increments))


@pytest.fixture
def leftovers(
    pipeline: Pipeline,
    make_database: MakeDatabase,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Leftovers:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(package_file("deploy/dagster.yaml"), home)
    storage = make_database("template0")
    environment.setenv("DAGSTER_HOME", str(home))
    environment.setenv(
        "DAGSTER_POSTGRES_URL", storage.replace("postgresql://", "postgresql+psycopg2://")
    )
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", "50")
    return Leftovers(home, {"public": storage, "etl": pipeline.owners_url})


def test_runs_leave_no_secret_and_no_name_of_a_person_behind(
    etl: Etl,
    pipeline: Pipeline,
    leftovers: Leftovers,
    environment: pytest.MonkeyPatch,
    impatient: None,
) -> None:
    del impatient
    faults = pipeline.simulator.faults
    key = pipeline.simulator.api_key

    def fails(message: str, *arguments: object, **wrong: str) -> None:
        """Run a command that fails and says why, with some variables set wrong."""
        with environment.context() as patch:
            for name, value in wrong.items():
                patch.setenv(name, value)
            result = etl(*arguments, code=1)
        leftovers.printed[message] = result.output
        assert message in " ".join(result.output.split())

    def wrong_in(url: str) -> str:
        password = urlsplit(url).password
        assert password
        return url.replace(password, f"{WRONG}-password")

    tuesday = ("backfill", "--from", TUESDAY, "--to", TUESDAY)

    # By Dagster's own command, which prints all it logs, with its helper processes.
    materialize = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster", "job", "execute"),
            *("--module-name", "etl_assets.definitions", "--job", "order_backfill"),
            *("--tags", f'{{"dagster/partition": "{MONDAY}"}}'),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with materialize:
        assert materialize.stdout
        lines: list[str] = []
        for line in materialize.stdout:
            lines.append(line)
            if "STEP_START" in line:
                leftovers.note_processes()
        leftovers.printed["dagster"] = "".join(lines)
    assert "RUN_SUCCESS" in leftovers.printed["dagster"]
    assert pipeline.rejected() != []

    # By the command line.
    leftovers.printed["success"] = etl("backfill").output
    leftovers.printed["rejected"] = etl("rejected").output
    leftovers.printed["status"] = etl("status").output
    fails("not closed or not doubled", *tuesday)
    for day, message in ((WEDNESDAY, "1 of 1 rows"), (THURSDAY, "the header lacks")):
        fails(message, "backfill", "--from", day, "--to", day)

    # A service that refuses us, or that says whom it talks to.
    fails("refused access (403)", "backfill", "--new-report", REPORT_API_KEY=f"{WRONG}-key")
    faults.add(Fault("/get_increment", status=500, body=f"{key} {FIRST}", times=None))
    fails("answered 500", *tuesday)
    faults.clear()
    body = f'{{"status": "{key}", "data": {{}}}}'
    faults.add(Fault("/get_increment", status=200, body=body))
    fails("says '***' of the increment", *tuesday)
    fails("answered 403", "backfill", AWS_SECRET_ACCESS_KEY=f"{WRONG}-key")
    url = os.environ["WAREHOUSE_URL"]
    fails("password authentication failed", "backfill", WAREHOUSE_URL=wrong_in(url))
    storage = os.environ["DAGSTER_POSTGRES_URL"]
    fails("can't be used", "backfill", DAGSTER_POSTGRES_URL=wrong_in(storage))

    # A database that quotes a row.
    pipeline.query(
        f"ALTER TABLE staging.user_order_log ADD CHECK (first_name != '{FIRST}') NOT VALID"
    )
    fails("violates check constraint", "backfill")

    secrets = {
        WRONG,
        key,
        PASSWORD,
        os.environ["AWS_SECRET_ACCESS_KEY"],
        str(urlsplit(pipeline.owners_url).password),
    }
    searched = 0
    for where, text in leftovers.everything():
        searched += len(text)
        for secret in (*secrets, *NAMES):
            assert secret not in text, (where, text[max(0, text.find(secret) - 200) :][:400])
    assert searched > 100_000
