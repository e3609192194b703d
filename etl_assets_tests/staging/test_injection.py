"""Texts from outside that SQL, a shell or a template would take for commands: they stay texts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import COLUMNS, MONDAY, TUESDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline, Row, holding

HOSTILE = (
    "'; DROP TABLE mart.f_sales; --",
    "a'); DELETE FROM etl.load; --",
    '"; SELECT pg_sleep(1000); --',
    "\\'; DROP SCHEMA staging CASCADE; --",
    "%s %(days)s %%",
    "{days} {0.__class__}",
    "$(touch injected)",
    "`touch injected`",
    "; touch injected #",
    "| touch injected",
    "\\.",
    "\\N",
    "=cmd|' /C calc'!A0",
    "[bold]<script>alert(1)</script>",
)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@pytest.fixture(autouse=True)
def nothing_is_executed(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Checks that no shell has made the file that the texts want."""
    del environment  # it makes tmp_path the current folder
    yield
    assert list(tmp_path.rglob("injected")) == []


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    files = GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY), {TUESDAY: csv_file()})
    return open_pipeline(files)


def schema(pipeline: Pipeline) -> list[Row]:
    return pipeline.query(
        "SELECT attrelid::regclass::text, attname, atttypid FROM pg_attribute"
        " INNER JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace::regnamespace::text IN ('etl', 'staging', 'mart') ORDER BY 1, attnum"
    )


def test_a_value_of_any_field_stays_a_value(pipeline: Pipeline) -> None:
    before = schema(pipeline)
    texts = ("uniq_id", "city_name", "first_name", "last_name", "item_name")
    others = [column for column in COLUMNS if column not in {"id", *texts}]
    rows = [
        order(TUESDAY, f"{column}-{number}") | {column: quoted(text)}
        for column in (*texts, *others)
        for number, text in enumerate(HOSTILE)
    ]
    body = csv_file(*rows, columns=(*COLUMNS, quoted(HOSTILE[0])))
    pipeline.files.increments[TUESDAY] = body
    pipeline.load(MONDAY)
    pipeline.load(TUESDAY, max_rejected_share=1)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    assert len(pipeline.staged()) == 1 + len(texts) * len(HOSTILE)
    fields = pipeline.query("SELECT fields FROM staging.rejected_row")
    assert {text for (row,) in fields for text in row.values()} >= set(HOSTILE)
    assert schema(pipeline) == before


# The store itself takes no key with a backslash.
@pytest.mark.parametrize("text", [text for text in HOSTILE if "\\" not in text])
def test_an_id_of_the_api_stays_an_id(
    pipeline: Pipeline, services: EmbeddedServices, text: str
) -> None:
    before = schema(pipeline)
    pipeline.load(MONDAY)
    body = csv_file(order(TUESDAY))
    key = f"cohort_23/{pipeline.report_api.nickname}/project/{text}/user_order_log_inc.csv"
    services.object_store.client().put_object(Bucket="s3-sprint3", Key=key, Body=body)
    answer = {"status": "SUCCESS", "data": {"increment_id": text, "s3_path": {}}}
    pipeline.simulator.faults.add(Fault("/get_increment", status=200, body=json.dumps(answer)))
    pipeline.load(TUESDAY)
    assert pipeline.loads("increment_id, uri")[1] == (text, f"s3://s3-sprint3/{key}")
    pipeline.files.increments[TUESDAY] = body
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    assert schema(pipeline) == before


def test_settings_stay_settings(pipeline: Pipeline, environment: pytest.MonkeyPatch) -> None:
    before = schema(pipeline)
    environment.setenv("REPORT_API_NICKNAME", HOSTILE[0])
    environment.setenv("REPORT_API_COHORT", HOSTILE[6])
    pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))
    ((uri,),) = pipeline.loads("uri")
    assert f"/cohort_{HOSTILE[6]}/{HOSTILE[0]}/project/" in uri
    assert schema(pipeline) == before
