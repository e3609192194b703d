"""The report API: asking for a report, and for a day's increment.

What the API answers is checked here and handed on as plain values. Its ids are opaque; the
addresses in its answers are handed on as they are (`object_store.object_uri` takes bucket and key
from them, never the host).
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import from_json, to_json

from etl_assets.clients.retries import (
    RETRY_SECONDS,
    Transient,
    is_transient,
    retried_for,
    retry_after,
)
from etl_assets.clients.tls import tls_fault
from etl_assets.errors import AccessRefused, EtlError, UnexpectedAnswer
from etl_assets.settings import ReportApiSettings

if TYPE_CHECKING:
    from requests import Response

M = TypeVar("M", bound=BaseModel)

_Method = Literal["GET", "POST"]

_CONNECT_SECONDS = 5
ANSWER_SECONDS = 30.0
"""How long one answer may take in all: a read time-out alone never ends a slow drip."""
_ANSWER_BYTES = 1 << 20
_LEAST_SECRET = 8
"""Something shorter is no secret, and may be a part of anything."""


def _day(text: object) -> object:
    """The API says days as `2024-02-02 00:00:00`."""
    return datetime.fromisoformat(text).date() if isinstance(text, str) else text


_Day = Annotated[date, BeforeValidator(_day)]

# No control characters: they would reach terminals, and PostgreSQL does not take all of them.
_Text = Annotated[str, StringConstraints(pattern=r"^\P{C}*$", max_length=2_000)]


def _words(text: str) -> str:
    """Return what the API says to people as it can be shown: in one line, and not too long."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return shorten(printable, 200, placeholder=" …")


_Words = Annotated[str, AfterValidator(_words)]


class _ReportData(BaseModel):
    report_id: _Text | None = None
    start_day: _Day | None = None
    end_day: _Day | None = Field(default=None, alias="end_date")
    s3_path: dict[_Text, _Text] | None = None


class _ReportAnswer(BaseModel):
    status: _Words
    data: _ReportData


class _IncrementData(BaseModel):
    increment_id: _Text | None = None
    s3_path: dict[_Text, _Text] | None = None


class _IncrementAnswer(BaseModel):
    status: _Words
    data: _IncrementData
    debug_info: _Words | None = None


class _TaskAnswer(BaseModel):
    task_id: Annotated[_Text, Field(min_length=1)]


@dataclass(frozen=True)
class Report:
    """A report that is ready: its id, the days that it covers (both included) and its files."""

    report_id: str
    start_day: date
    end_day: date
    paths: Mapping[str, str]


@dataclass(frozen=True)
class Increment:
    """A day's increment: its id and its files."""

    increment_id: str
    paths: Mapping[str, str]


@dataclass(frozen=True)
class NotFound:
    """The API has no increment of a day; with `why` it never will, without it is not there yet."""

    why: str | None


class ReportApi:
    """The report API as its settings say it is reached.

    Every call is tried again while the fault is transient, for `retry_seconds` in all, and raises
    `ServiceUnavailable` after that; an answer that can't be right raises `EtlError` at once.
    """

    def __init__(
        self,
        settings: ReportApiSettings,
        *,
        retry_seconds: float = RETRY_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        from requests import Session

        self._answer_seconds = answer_seconds
        self._settings = settings
        self._retry_seconds = retry_seconds
        self._session = Session()
        self._session.headers.update(
            {
                "X-Nickname": settings.nickname,
                "X-Cohort": settings.cohort,
                "X-API-KEY": settings.key.get_secret_value(),
                "X-Project": "True",
            }
        )

    @property
    def nickname(self) -> str:
        """Who asks: a part of the addresses of the files."""
        return self._settings.nickname

    @property
    def cohort(self) -> str:
        """The cohort of who asks: a part of the addresses of the files."""
        return self._settings.cohort

    @property
    def poll_seconds(self) -> float:
        """The pause between two looks at a report that is not ready."""
        return self._settings.poll_seconds

    @property
    def poll_timeout_seconds(self) -> float:
        """How long to wait for a report in all."""
        return self._settings.poll_timeout_seconds

    def generate_report(self) -> str:
        """Ask for a report and return the task to poll."""
        return self._ask(_TaskAnswer, "POST", "generate_report", {}).task_id

    def get_report(self, task_id: str) -> Report | None:
        """Return the report of a task, or None while it is not ready."""
        answer = self._ask(_ReportAnswer, "GET", "get_report", {"task_id": task_id})
        if answer.status == "RUNNING":
            return None
        if answer.status != "SUCCESS":
            raise EtlError(
                f"The report API says {answer.status!r} of task {task_id}, which is neither "
                "RUNNING nor SUCCESS. Ask for a new report: etl-assets backfill --new-report"
            )
        data = answer.data
        if data.report_id and data.start_day and data.end_day and data.start_day <= data.end_day:
            return Report(data.report_id, data.start_day, data.end_day, data.s3_path or {})
        raise EtlError(
            f"The report API says SUCCESS of task {task_id} without a report_id, start_day and "
            "end_date that make sense. Ask for a new report: etl-assets backfill --new-report"
        )

    def get_increment(self, report_id: str, day: date) -> Increment | NotFound:
        """Return a day's increment as asked with a report."""
        query = {"report_id": report_id, "date": f"{day}T00:00:00"}
        answer = self._ask(_IncrementAnswer, "GET", "get_increment", query)
        if answer.status == "NOT FOUND":
            return NotFound(answer.debug_info)
        if answer.status == "SUCCESS" and answer.data.increment_id:
            return Increment(answer.data.increment_id, answer.data.s3_path or {})
        raise EtlError(
            f"The report API says {answer.status!r} of the increment of {day}, and no "
            "increment_id with it: expected SUCCESS or NOT FOUND. Ask who runs the API"
        )

    def check_access(self) -> None:
        """Make one call that changes nothing, about a report that there is not.

        Raises:
            AccessRefused: the API does not accept the key.
            ServiceUnavailable: it can't be reached.
        """
        query = {"report_id": "none", "date": "1970-01-01T00:00:00"}
        with suppress(UnexpectedAnswer):
            retried_for(self._retry_seconds, self._call, "GET", "get_increment", query)

    def _ask(self, model: type[M], method: _Method, path: str, query: Mapping[str, str]) -> M:
        def ask_once() -> M:
            return self._understand(model, self._call(method, path, query), path)

        return retried_for(self._retry_seconds, ask_once)

    def _call(self, method: _Method, path: str, query: Mapping[str, str]) -> bytes:
        import requests
        import urllib3

        url = f"{self._settings.url}/{path}"
        called = f"{method} {url}"
        try:
            # A redirect would carry the key to wherever it points.
            with self._session.request(
                method,
                url,
                params=query,
                timeout=(_CONNECT_SECONDS, self._answer_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._check_status(called, response)
                return self._masked(_body(called, response, self._answer_seconds))
        except (
            requests.ConnectionError,
            requests.Timeout,
            urllib3.exceptions.HTTPError,
        ) as error:
            # Not chained, here and below: its words can quote a header, or a proxy's password.
            if isinstance(error, requests.exceptions.SSLError) and (fault := tls_fault(error)):
                raise EtlError(
                    f"{called}: TLS with the server failed: {fault}. Check REPORT_API_URL, and "
                    "that REQUESTS_CA_BUNDLE names the certificate of your own authority if it is "
                    "one"
                ) from None
            raise Transient(
                f"{called}: the report API could not be reached ({type(error).__name__}). Check "
                "REPORT_API_URL, the network, and the proxy of the environment if there is one"
            ) from None
        except requests.RequestException as error:
            raise EtlError(
                f"{called}: the report API can't be asked like this ({type(error).__name__}). "
                "Check REPORT_API_URL, and the proxy of the environment if there is one"
            ) from None

    def _masked(self, body: bytes) -> bytes:
        """Return an answer without our key: one that repeats it must not take it into logs."""
        key = self._settings.key.get_secret_value()
        if len(key) < _LEAST_SECRET:
            return body
        # However it is escaped. What is no JSON is never quoted.
        with suppress(ValueError):
            body = to_json(from_json(body))
        return body.replace(to_json(key)[1:-1], b"***")

    @staticmethod
    def _check_status(called: str, response: "Response") -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        if is_transient(status):
            raise Transient(
                f"{called}: the report API answered {status}",
                retry_after=retry_after(response.headers.get("Retry-After")),
            )
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise AccessRefused(
                f"{called}: the report API refused access ({status}). Check REPORT_API_KEY, "
                "REPORT_API_NICKNAME and REPORT_API_COHORT"
            )
        raise UnexpectedAnswer(
            f"{called}: the report API answered {status}, which trying again won't change. Check "
            "REPORT_API_URL, or ask who runs the API"
        )

    @staticmethod
    def _understand(model: type[M], body: bytes, path: str) -> M:
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            fields = _words(
                ", ".join(
                    ".".join(map(str, problem["loc"])) or problem["type"] for problem in problems
                )
            )
            message = f"The report API's answer to {path} is not what it should be ({fields})"
            if "EOF" in problems[0].get("ctx", {}).get("error", ""):
                raise Transient(f"{message}: it ends early") from None
            raise EtlError(f"{message}. Ask who runs the API") from None


def _body(called: str, response: "Response", seconds: float) -> bytes:
    """Read the answer, within bounds of time and size."""
    deadline = time.monotonic() + seconds
    body = bytearray()
    # As much as has arrived: iter_content waits until a chunk is full, whatever the time.
    while chunk := response.raw.read1(16 << 10, decode_content=True):
        body += chunk
        if len(body) > _ANSWER_BYTES:
            raise EtlError(f"{called}: the report API's answer is over {_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise Transient(f"{called}: the answer took over {seconds:g} s")
    return bytes(body)
