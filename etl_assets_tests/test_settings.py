"""The configuration: each missing or malformed variable gets one line, without its value."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from etl_assets.errors import ConfigurationError
from etl_assets.settings import (
    DagsterSettings,
    LoadSettings,
    ObjectStoreSettings,
    PartitionSettings,
    ReportApiSettings,
    WarehouseSettings,
    require,
)

SETTINGS = (
    WarehouseSettings,
    ReportApiSettings,
    ObjectStoreSettings,
    PartitionSettings,
    LoadSettings,
    DagsterSettings,
)

ENVIRONMENT = {
    "WAREHOUSE_URL": "postgresql://etl:hush-1@host/warehouse",
    "REPORT_API_URL": "https://host/api/",
    "REPORT_API_KEY": "hush-2",
    "REPORT_API_NICKNAME": "me",
    "REPORT_API_COHORT": "23",
    "AWS_ENDPOINT_URL_S3": "https://storage.example",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "hush-3",
}
OPTIONAL = (
    "AWS_DEFAULT_REGION",
    "ETL_START_DATE",
    "ETL_END_DATE",
    "ETL_TIMEZONE",
    "ETL_POLL_SECONDS",
    "ETL_POLL_TIMEOUT_SECONDS",
    "ETL_MAX_REJECTED_SHARE",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "DAGSTER_HOME",
    "DAGSTER_POSTGRES_URL",
)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for name in OPTIONAL:
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def complaint(*settings: type) -> str:
    """Return the complaint about the environment, and check that it has no secret."""
    with pytest.raises(ConfigurationError) as refusal:
        require(*(settings or SETTINGS))
    message = str(refusal.value)
    assert "hush" not in message
    return message


def test_the_required_variables_are_enough() -> None:
    require(*SETTINGS)
    assert ReportApiSettings.read().url == "https://host/api"
    assert PartitionSettings.read().start_day == date(2022, 1, 1)
    assert PartitionSettings.read().timezone == "Europe/Moscow"
    assert LoadSettings.read().max_rejected_share == 0.01


@pytest.mark.parametrize("name", ENVIRONMENT)
@pytest.mark.parametrize("empty", [True, False])
def test_a_variable_that_is_not_set_or_empty_is_named(
    environment: pytest.MonkeyPatch, name: str, empty: bool
) -> None:
    environment.setenv(name, "") if empty else environment.delenv(name)
    assert complaint() == (
        f"{name} is not set: set it in the environment or in .env (see .env.example)"
    )


def test_all_wrong_variables_are_reported_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REPORT_API_KEY")
    environment.setenv("ETL_POLL_SECONDS", "soon")
    environment.setenv("ETL_START_DATE", "2024-02-30")
    lines = complaint().splitlines()
    assert [line.split()[0] for line in lines] == [
        "REPORT_API_KEY",
        "ETL_POLL_SECONDS",
        "ETL_START_DATE",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAREHOUSE_URL", "hush-host"),
        ("WAREHOUSE_URL", "mysql://etl:hush@host/warehouse"),
        ("WAREHOUSE_URL", "postgresql://etl:hush@host"),
        ("WAREHOUSE_URL", "postgresql://etl:hu/hush@host/warehouse"),
        ("WAREHOUSE_URL", "postgresql://etl:1/hush@host/warehouse"),
        ("WAREHOUSE_URL", "postgresql://etl:1@hush@host/warehouse"),
        ("WAREHOUSE_URL", "postgresql://etl:%hush@host/warehouse"),
        ("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://etl:1@hush@host/dagster"),
        ("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://etl:hush@host:hush/dagster"),
        ("REPORT_API_URL", "host"),
        ("REPORT_API_URL", "ftp://host"),
        ("REPORT_API_URL", "https://user:hush@host"),
        ("REPORT_API_URL", "https://[hush"),
        ("REPORT_API_URL", "https://host/?token=hush"),
        ("REPORT_API_KEY", "hush\nX-Other: hush"),
        ("REPORT_API_KEY", " hush"),
        ("REPORT_API_NICKNAME", "Ольга"),
        ("REQUESTS_CA_BUNDLE", "/nowhere"),
        ("AWS_CA_BUNDLE", "/nowhere"),
        ("AWS_ENDPOINT_URL_S3", "storage.example"),
        ("ETL_START_DATE", "02.02.2024"),
        ("ETL_START_DATE", "1706832000"),
        ("ETL_END_DATE", "2021-12-31"),
        ("ETL_TIMEZONE", "Moscow"),
        ("ETL_TIMEZONE", "../etc/passwd"),
        ("ETL_POLL_SECONDS", "0"),
        ("ETL_POLL_TIMEOUT_SECONDS", "-1"),
        ("ETL_MAX_REJECTED_SHARE", "1.5"),
        ("ETL_MAX_REJECTED_SHARE", "1%"),
        ("ETL_MAX_REJECTED_SHARE", "nan"),
    ],
)
def test_a_malformed_value_is_named_and_not_quoted(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    assert complaint().startswith(f"{name} is malformed: ")


def test_a_part_requires_its_own_variables_only(environment: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        environment.delenv(name)
    environment.setenv("ETL_START_DATE", "2024-02-02")
    assert PartitionSettings.read().start_day == date(2024, 2, 2)


def test_the_environment_wins_over_the_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Set the variable first: then monkeypatch restores it, also after the file has set it.
    environment.setenv("REPORT_API_COHORT", "")
    environment.delenv("REPORT_API_COHORT")
    (tmp_path / ".env").write_text("REPORT_API_COHORT=42\nREPORT_API_NICKNAME=of-the-file\n")
    settings = ReportApiSettings.read()
    assert (settings.cohort, settings.nickname) == ("42", "me")


@pytest.mark.parametrize("settings", SETTINGS[:3])
def test_secrets_are_not_shown(settings: type[WarehouseSettings]) -> None:
    read = settings.read()
    assert "hush" not in f"{read} {read!r} {read.model_dump()}"


def test_a_day_ends_at_midnight_of_the_sources_time_zone() -> None:
    end = PartitionSettings.read().end_of(date(2024, 2, 26))
    assert end == datetime(2024, 2, 26, 21, tzinfo=UTC)
    assert end.tzinfo == ZoneInfo("Europe/Moscow")
