"""The configuration: environment variables and a `.env` file, read and validated.

Nothing else reads the environment, and nothing here connects to anything. Each class holds what one
part needs, so that a command asks only for what it uses. The variables are documented in
`.env.example`.
"""

import os
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import load_dotenv
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from etl_assets.errors import ConfigurationError


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{name!r} is not a time zone; give a name such as Europe/Moscow"
        raise ValueError(message) from error
    return name


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give an address such as https://host/")
    if parts.username or parts.password:
        raise ValueError("leave user and password out of the address")
    return url.rstrip("/")


def _postgres_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"postgresql", "postgres"} or parts.path in {"", "/"}:
        raise ValueError("give an address such as postgresql://user:password@host:5432/database")
    return url


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def read(cls) -> Self:
        """Read the settings from the environment, and from a `.env` file in the current folder.

        The file's variables become the process's, so that Dagster and boto3 see them too; those
        that are set already win.

        Raises:
            ConfigurationError: one line a variable that is missing or malformed, naming it.
        """
        load_dotenv(Path(".env"))
        try:
            return cls()
        except ValidationError as error:
            raise ConfigurationError("\n".join(_complaints(error))) from None


def _complaints(error: ValidationError) -> list[str]:
    """Say of each variable what is wrong with it, never what its value is."""
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'environment'} is not set: "
        "set it in the environment or in .env (see .env.example)"
        if problem["type"] == "missing"
        else f"{'.'.join(str(part) for part in problem['loc']) or 'environment'} is malformed: "
        + problem["msg"].removeprefix("Value error, ")
        for problem in error.errors(include_url=False, include_input=False)
    ]


class WarehouseSettings(_Settings):
    """Where the warehouse is."""

    url: Annotated[SecretStr, AfterValidator(_postgres_url)] = Field(alias="WAREHOUSE_URL")

    @classmethod
    def is_set(cls) -> bool:
        """Return whether the environment names a warehouse at all."""
        load_dotenv(Path(".env"))
        return bool(os.environ.get("WAREHOUSE_URL"))


class ReportApiSettings(_Settings):
    """Where the report API is, and how it is asked."""

    url: HttpUrl = Field(alias="REPORT_API_URL")
    key: SecretStr = Field(alias="REPORT_API_KEY")
    nickname: str = Field(alias="REPORT_API_NICKNAME")
    cohort: str = Field(alias="REPORT_API_COHORT")
    poll_seconds: float = Field(default=10, alias="ETL_POLL_SECONDS", gt=0)
    poll_timeout_seconds: float = Field(default=600, alias="ETL_POLL_TIMEOUT_SECONDS", gt=0)


class ObjectStoreSettings(_Settings):
    """Where the object store is."""

    endpoint_url: HttpUrl = Field(alias="AWS_ENDPOINT_URL_S3")
    access_key_id: str = Field(alias="AWS_ACCESS_KEY_ID")
    secret_access_key: SecretStr = Field(alias="AWS_SECRET_ACCESS_KEY")
    region: str = Field(default="us-east-1", alias="AWS_DEFAULT_REGION")


class PartitionSettings(_Settings):
    """Which days there are."""

    start_day: date = Field(alias="ETL_START_DATE")
    end_day: date | None = Field(default=None, alias="ETL_END_DATE")
    timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="Europe/Moscow", alias="ETL_TIMEZONE"
    )

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end_day is not None and self.end_day < self.start_day:
            raise ValueError(
                f"ETL_END_DATE ({self.end_day}) is before ETL_START_DATE ({self.start_day})"
            )
        return self

    def end_of(self, day: date) -> datetime:
        """Return the moment at which a day ends in the source's time zone."""
        midnight = datetime.combine(day + timedelta(days=1), time.min)
        return midnight.replace(tzinfo=ZoneInfo(self.timezone))

    def last_day(self) -> date:
        """Return the last day that is over in the source's time zone, or `end_day` if earlier."""
        yesterday = datetime.now(ZoneInfo(self.timezone)).date() - timedelta(days=1)
        return min(yesterday, self.end_day or yesterday)


class AutomationSettings(_Settings):
    """How patient the sensors are."""

    retry_pause_seconds: float = Field(default=300, alias="ETL_RETRY_PAUSE_SECONDS", ge=0)


class LoadSettings(_Settings):
    """What a load accepts."""

    max_rejected_share: float = Field(default=0.01, alias="ETL_MAX_REJECTED_SHARE", ge=0, le=1)


class DagsterSettings(_Settings):
    """Where Dagster keeps its runs."""

    home: str | None = Field(default=None, alias="DAGSTER_HOME")
