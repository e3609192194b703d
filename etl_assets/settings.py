"""The configuration: environment variables and a `.env` file, read and validated.

This module connects to nothing. Each class has the settings of one part, so that a command requires
only those that it uses. `.env.example` documents the variables.
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
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from etl_assets.errors import ConfigurationError


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{name!r} is not a time zone; give a name such as Europe/Moscow"
        raise ValueError(message) from error
    return name


def _day(text: object) -> object:
    # Parsed here because pydantic would read 20240225 as seconds since 1970.
    try:
        return date.fromisoformat(text) if isinstance(text, str) else text
    except ValueError:
        raise ValueError("give a day such as 2024-02-25") from None


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        # Not chained: the message quotes the address.
        parts, is_address = urlsplit(""), False
    if not is_address:
        raise ValueError("give an address such as https://host/")
    if parts.username or parts.password:
        raise ValueError("leave user and password out of the address")
    return url


def _base_url(url: str) -> str:
    parts = urlsplit(_http_url(url))
    if parts.query or parts.fragment:
        raise ValueError("leave out the part after the ? or #")
    return url.rstrip("/")


def _secret_http_url(url: SecretStr) -> SecretStr:
    _http_url(url.get_secret_value())
    return url


def _postgres_url(url: SecretStr) -> SecretStr:
    _require_postgres(url.get_secret_value())
    return url


def _dagster_url(url: SecretStr) -> SecretStr:
    # Dagster takes an address of SQLAlchemy, which names the driver after the scheme.
    _require_postgres(url.get_secret_value().replace("+psycopg2://", "://", 1))
    return url


def _require_postgres(address: str) -> None:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(address)
    except ProgrammingError:
        parts = {}
    # After an unescaped / or @ in a password libpq reads the rest as port, database or host. Its
    # errors would quote that part, so such an address is rejected here.
    ports = str(parts.get("port") or "").split(",")
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("?")[0].partition("/")
    if (
        scheme not in {"postgresql", "postgres"}
        or not parts.get("dbname")
        or not all(port.isdecimal() or not port for port in ports)
        or authority.count("@") > 1
        or "@" in path
    ):
        raise ValueError(
            "give an address such as postgresql://user:password@host:5432/database, with / in "
            "the password written %2F, @ written %40"
        )


def _header(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("use only printable ASCII characters, in one line")
    if text != text.strip():
        raise ValueError("leave out the blanks around it")
    return text


def _secret_header(text: SecretStr) -> SecretStr:
    _header(text.get_secret_value())
    return text


def _dagster_home(path: str) -> str:
    folder = Path(path).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        raise ValueError("give the absolute path of an existing folder")
    if not (folder / "dagster.yaml").is_file():
        # Dagster would create files and folders in any folder.
        raise ValueError(
            "the folder has no dagster.yaml. Copy this project's file into it, or unset the "
            "variable to run without a record of runs"
        )
    return path


def _certificates(path: str) -> str:
    if not Path(path).exists():
        raise ValueError("give the path of an existing file of certificates")
    return path


Day = Annotated[date, BeforeValidator(_day)]
HttpUrl = Annotated[str, AfterValidator(_base_url)]
Header = Annotated[str, AfterValidator(_header)]
Certificates = Annotated[str, AfterValidator(_certificates)]
"""A file of trusted certificates. The libraries that connect read the variable themselves; it is
only checked here."""


class Settings(BaseModel):
    """The base class of all settings, which are environment variables."""

    model_config = ConfigDict(
        # A command reads only two or three of these classes, so none is built before it is read.
        defer_build=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def read(cls, **given: str) -> Self:
        """Read the settings from the environment, and from a `.env` file in the current folder.

        The file's variables are added to the process's environment, so that Dagster and boto3 see
        them too. A variable that is already set wins over the file; an argument named after a
        variable wins over both.

        Raises:
            ConfigurationError: variables are missing or malformed; the message has one line each.
        """
        load_dotenv(Path(".env"))
        # Not with pydantic-settings: its import takes a fifth of the time of `etl-assets status`.
        found = {name: text for name, text in os.environ.items() if text}
        try:
            return cls.model_validate(found | given)
        except ValidationError as error:
            raise ConfigurationError("\n".join(_complaints(error))) from None


def require(*needed: type[Settings]) -> None:
    """Check all the settings that a command needs, before it starts.

    Raises:
        ConfigurationError: variables are missing or malformed; the message has one line each.
    """
    complaints: list[str] = []
    for settings in needed:
        try:
            settings.read()
        except ConfigurationError as error:
            complaints.append(str(error))
    if complaints:
        raise ConfigurationError("\n".join(complaints))


def _complaints(error: ValidationError) -> list[str]:
    """Return what is wrong with each variable, without its value."""
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'environment'} is not set: "
        "set it in the environment or in .env (see .env.example)"
        if problem["type"] == "missing"
        else f"{'.'.join(str(part) for part in problem['loc']) or 'environment'} is malformed: "
        + problem["msg"].removeprefix("Value error, ")
        for problem in error.errors(include_url=False, include_input=False)
    ]


class WarehouseSettings(Settings):
    """The address of the warehouse."""

    url: Annotated[SecretStr, AfterValidator(_postgres_url)] = Field(alias="WAREHOUSE_URL")

    @classmethod
    def is_set(cls) -> bool:
        """Return whether the environment has the address of a warehouse."""
        load_dotenv(Path(".env"))
        return bool(os.environ.get("WAREHOUSE_URL"))


class OldDatabaseSettings(Settings):
    """The address of the old pipeline's database."""

    url: Annotated[SecretStr, AfterValidator(_postgres_url)] = Field(alias="OLD_WAREHOUSE_URL")


class ReportApiSettings(Settings):
    """The address of the report API, the account, and how to poll."""

    url: HttpUrl = Field(alias="REPORT_API_URL")
    key: Annotated[SecretStr, AfterValidator(_secret_header)] = Field(alias="REPORT_API_KEY")
    nickname: Header = Field(alias="REPORT_API_NICKNAME")
    cohort: Header = Field(alias="REPORT_API_COHORT")
    ca_bundle: Certificates | None = Field(default=None, alias="REQUESTS_CA_BUNDLE")
    poll_seconds: float = Field(default=10, alias="ETL_POLL_SECONDS", gt=0)
    poll_timeout_seconds: float = Field(default=600, alias="ETL_POLL_TIMEOUT_SECONDS", gt=0)


class ObjectStoreSettings(Settings):
    """The address of the object store, and the credentials."""

    endpoint_url: HttpUrl = Field(alias="AWS_ENDPOINT_URL_S3")
    access_key_id: str = Field(alias="AWS_ACCESS_KEY_ID")
    secret_access_key: SecretStr = Field(alias="AWS_SECRET_ACCESS_KEY")
    ca_bundle: Certificates | None = Field(default=None, alias="AWS_CA_BUNDLE")
    region: str = Field(default="us-east-1", alias="AWS_DEFAULT_REGION", pattern="^[A-Za-z0-9-]+$")


class PartitionSettings(Settings):
    """The range of daily partitions."""

    # The default is before the oldest known file. Days are expected from the oldest report on.
    start_day: Day = Field(default=date(2022, 1, 1), alias="ETL_START_DATE")
    end_day: Day | None = Field(default=None, alias="ETL_END_DATE")
    timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="Europe/Moscow", alias="ETL_TIMEZONE"
    )

    @field_validator("end_day")
    @classmethod
    def _ends_after_it_starts(cls, end_day: date | None, info: ValidationInfo) -> date | None:
        start_day: date | None = info.data.get("start_day")
        if end_day and start_day and end_day < start_day:
            raise ValueError(f"{end_day} is before ETL_START_DATE ({start_day})")
        return end_day

    def end_of(self, day: date) -> datetime:
        """Return the moment at which a day ends in the source's time zone."""
        midnight = datetime.combine(day + timedelta(days=1), time.min)
        return midnight.replace(tzinfo=ZoneInfo(self.timezone))

    def last_day(self) -> date:
        """Return the last day that is over in the source's time zone, or `end_day` if earlier."""
        yesterday = datetime.now(ZoneInfo(self.timezone)).date() - timedelta(days=1)
        return min(yesterday, self.end_day or yesterday)


class AutomationSettings(Settings):
    """The intervals and pauses of the sensors, in seconds."""

    next_increment_seconds: int = Field(default=30, alias="ETL_NEXT_INCREMENT_SECONDS", gt=0)
    redelivered_increments_seconds: int = Field(
        default=600, alias="ETL_REDELIVERED_INCREMENTS_SECONDS", gt=0
    )
    retry_pause_seconds: float = Field(default=300, alias="ETL_RETRY_PAUSE_SECONDS", ge=0)


class AlarmSettings(Settings):
    """The address for alarms, if there is one."""

    webhook_url: Annotated[SecretStr, AfterValidator(_secret_http_url)] | None = Field(
        default=None, alias="ETL_ALARM_WEBHOOK_URL"
    )


class MaintenanceSettings(Settings):
    """How long Dagster's storage keeps the records of runs."""

    # The sensor for re-deliveries looks 14 days back and counts failed tries from the run records.
    keep_runs_days: int = Field(default=90, alias="ETL_KEEP_RUNS_DAYS", ge=15)


class LoadSettings(Settings):
    """The limits of a load."""

    max_rejected_share: float = Field(default=0.01, alias="ETL_MAX_REJECTED_SHARE", ge=0, le=1)


class DagsterSettings(Settings):
    """Where Dagster stores its runs."""

    home: Annotated[str, AfterValidator(_dagster_home)] | None = Field(
        default=None, alias="DAGSTER_HOME"
    )
    # Dagster reads this variable itself. It is checked here because Dagster's error for a malformed
    # one would quote a part of the password.
    storage_url: Annotated[SecretStr, AfterValidator(_dagster_url)] | None = Field(
        default=None, alias="DAGSTER_POSTGRES_URL"
    )
