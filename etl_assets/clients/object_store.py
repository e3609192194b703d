"""The object store: finding an object, and reading it.

An object is known by its address, `s3://bucket/key`, and its ETag. Addresses come from the report
API as URLs; only their bucket and key count, the endpoint is the configured one, so that no answer
of the API can make us call another host.
"""

import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from etl_assets.clients.retries import RETRY_SECONDS, Transient, is_transient, retried_for
from etl_assets.clients.tls import tls_fault
from etl_assets.errors import (
    AccessRefused,
    ConfigurationError,
    EtlError,
    ObjectChanged,
    ObjectMissing,
)
from etl_assets.settings import ObjectStoreSettings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from botocore.response import StreamingBody

CHUNK_BYTES = 1 << 20
"""How much of an object is read at a time."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_CODE = re.compile(r"[A-Za-z]\w{,63}", re.ASCII)
_TRANSIENT_CODES = frozenset({"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})


@dataclass(frozen=True)
class StoredObject:
    """One version of an object: its address, its ETag and its size in bytes."""

    uri: str
    etag: str
    size: int


def object_uri(url: str) -> str:
    """Return the address of the object that a URL of the report API names.

    >>> object_uri("https://host/s3-sprint3/cohort_23/me/project/TWpB%3D/user_order_log.csv")
    's3://s3-sprint3/cohort_23/me/project/TWpB=/user_order_log.csv'

    Raises:
        EtlError: the URL has no bucket and key, or none that can be asked for.
    """
    try:
        parts = urlsplit(url)
        path = unquote(parts.path, errors="strict")
    except ValueError:
        parts, path = urlsplit(""), ""
    bucket, _, key = path.lstrip("/").partition("/")
    if parts.scheme not in {"http", "https"} or not is_address(bucket, key):
        raise EtlError(
            f"The report API names the file {_shown(url)!r}, which is no address of the form "
            "https://host/bucket/key. Ask who runs the API"
        )
    return f"s3://{bucket}/{key}"


def _shown(url: str) -> str:
    """Return what people may see of a URL: its user, password and query are nobody's business."""
    return re.sub("//.*@", "//", url.partition("?")[0].partition("#")[0])[:200]


def is_address(bucket: str, key: str) -> bool:
    """Return whether that can be asked of the store as it is.

    A bucket's name that is an ARN would make the AWS library call another host, and the client
    resolves `..` as a browser does, which leads into other buckets.
    """
    segments = key.split("/")
    return bool(
        _BUCKET.fullmatch(bucket) and key and key.isprintable() and not {".", ".."} & set(segments)
    )


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an address `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class ObjectStore:
    """The object store as its settings say it is reached, through one client for all objects.

    Every call is tried again while the fault is transient, for `retry_seconds` in all, and raises
    `ServiceUnavailable` after that.

    Raises:
        ConfigurationError: the AWS library does not take the environment as it is.
    """

    def __init__(
        self,
        settings: ObjectStoreSettings,
        *,
        retry_seconds: float = RETRY_SECONDS,
        answer_seconds: float = 30.0,
    ) -> None:
        self._endpoint_url = settings.endpoint_url
        self._retry_seconds = retry_seconds
        self._answer_seconds = answer_seconds
        self._client = _client(settings, answer_seconds)

    def find(self, uri: str) -> StoredObject:
        """Return the version of an object that is there now.

        Raises:
            ObjectMissing: there is none.
        """
        return retried_for(self._retry_seconds, self._find_once, uri)

    def read(self, found: StoredObject) -> Iterator[bytes]:
        """Give an object's bytes, in chunks of up to `CHUNK_BYTES`.

        A fault in the middle is ridden out by going on from the chunk that it is in, for
        `retry_seconds` each time; so is a chunk that takes over `answer_seconds`. The version that
        was found is read, or none.

        Raises:
            ObjectChanged: the object is another version by now, or not as long as it says.
            ObjectMissing: the object is gone.
        """
        body: StreamingBody | None = None
        position = 0

        def next_chunk() -> bytes:
            nonlocal body
            with self._errors(found.uri):
                body = body or self._get(found, position)
                size = min(CHUNK_BYTES, found.size - position)
                try:
                    return self._read_chunk(found.uri, body, size)
                except BaseException:
                    body.close()
                    body = None
                    raise

        try:
            while position < found.size:
                chunk = retried_for(self._retry_seconds, next_chunk)
                position += len(chunk)
                yield chunk
        finally:
            if body:
                body.close()

    def check_access(self) -> None:
        """Make one authorized call.

        Raises:
            AccessRefused: the store does not accept the key, or does not let it list the buckets.
            ServiceUnavailable: it can't be reached.
        """
        retried_for(self._retry_seconds, self._list_buckets)

    def _list_buckets(self) -> None:
        with self._errors("the list of buckets"):
            self._client.list_buckets()

    def _find_once(self, uri: str) -> StoredObject:
        bucket, key = bucket_and_key(uri)
        with self._errors(uri):
            head = self._client.head_object(Bucket=bucket, Key=key)
        if "ETag" not in head or "ContentLength" not in head:
            raise EtlError(
                f"{uri} at {self._endpoint_url}: the answer has no ETag and size, so it is not an "
                "object store's. Check AWS_ENDPOINT_URL_S3"
            )
        return StoredObject(uri, head["ETag"], head["ContentLength"])

    def _get(self, found: StoredObject, start: int) -> "StreamingBody":
        """Ask for what the object holds from a byte on."""
        bucket, key = bucket_and_key(found.uri)
        part: dict[str, str] = {"Range": f"bytes={start}-"} if start else {}
        answer = self._client.get_object(Bucket=bucket, Key=key, IfMatch=found.etag, **part)
        body: StreamingBody = answer["Body"]
        # A store that knows no ranges gives all of it again.
        is_part = answer.get("ContentRange") == f"bytes {start}-{found.size - 1}/{found.size}"
        size = answer["ContentLength"] + (start if is_part else 0)
        if size != found.size:
            body.close()
            raise ObjectChanged(
                f"{found.uri} is {size} bytes long and was {found.size} when it was found. Run the "
                "day again"
            )
        left = 0 if is_part else start
        while left:
            left -= len(self._read_chunk(found.uri, body, min(left, CHUNK_BYTES)))
        return body

    def _read_chunk(self, uri: str, body: "StreamingBody", size: int) -> bytes:
        """Read so many bytes, in the time that an answer may take."""
        from botocore.exceptions import IncompleteReadError

        # Of the body itself one gets bytes only when all that one asks for have arrived, however
        # long that takes.
        stream: Any = body._raw_stream  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
        deadline = time.monotonic() + self._answer_seconds
        parts: list[bytes] = []
        came = 0
        while came < size:
            part: bytes = stream.read1(size - came)
            if not part:
                raise IncompleteReadError(actual_bytes=came, expected_bytes=size)
            parts.append(part)
            came += len(part)
            if time.monotonic() > deadline:
                raise Transient(
                    f"{uri} at {self._endpoint_url}: of {size} bytes only {came} came in "
                    f"{self._answer_seconds:g} s. Check the network"
                )
        return b"".join(parts)

    @contextmanager
    def _errors(self, uri: str) -> Generator[None]:
        """Tell transient faults from permanent ones, and say what to do about those.

        The library's own error is not chained: its words can quote a proxy's password.
        """
        from botocore import exceptions
        from botocore.parsers import ResponseParserError
        from urllib3.exceptions import HTTPError

        where = f"{uri} at {self._endpoint_url}"
        try:
            yield
        except exceptions.ClientError as error:
            raise _client_error(where, error) from None
        except (
            exceptions.ConnectionError,
            exceptions.HTTPClientError,
            exceptions.IncompleteReadError,
            HTTPError,
        ) as error:
            if isinstance(error, exceptions.SSLError) and (fault := tls_fault(error)):
                raise EtlError(
                    f"{where}: TLS with the server failed: {fault}. Check AWS_ENDPOINT_URL_S3, and "
                    "that AWS_CA_BUNDLE names the certificate of your own authority if it is one"
                ) from None
            raise Transient(
                f"{where}: the object store could not be reached or broke off "
                f"({type(error).__name__}). Check AWS_ENDPOINT_URL_S3, the network, and the proxy "
                "of the environment if there is one"
            ) from None
        except (exceptions.BotoCoreError, ResponseParserError) as error:
            raise EtlError(
                f"{where}: that can't be asked, or the answer is not an object store's "
                f"({type(error).__name__}). Check AWS_ENDPOINT_URL_S3"
            ) from None


def _client(settings: ObjectStoreSettings, answer_seconds: float) -> Any:
    # boto3 takes a quarter of a second to import, which `--help` need not pay.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        client = boto3.client(  # pyright: ignore[reportUnknownMemberType]  # boto3 has no types
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key.get_secret_value(),
            config=Config(
                connect_timeout=5,
                read_timeout=answer_seconds,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"The object store can't be used as it is set up: {error}. Check the variables that "
            "begin with AWS_, and ~/.aws if there is one"
        ) from None
    # Of a store that answers with a redirect the client asks the bucket's region, and again when
    # that is answered with one.
    client.meta.events.register("before-call.s3.HeadBucket", _without_redirect)
    return client


def _without_redirect(context: dict[str, Any], **_: object) -> None:
    context["s3_redirect"]["redirected"] = True


def _client_error(where: str, error: "ClientError") -> EtlError | Transient:
    answer: Any = error.response
    code: str = answer.get("Error", {}).get("Code", "")
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # Without a body the code is the status again; and anything may stand in one.
    named = f" {code}" if _CODE.fullmatch(code) else ""
    answered = f"{where}: the object store answered {status}{named}"
    if is_transient(status) or code in _TRANSIENT_CODES:
        return Transient(answered)
    match status:
        case 404:
            return ObjectMissing(
                f"{where}: there is no such object. Run the day again to look anew"
            )
        case 412:
            return ObjectChanged(f"{where}: the object was replaced meanwhile. Run the day again")
        case 401 | 403:
            return AccessRefused(
                f"{answered}: access refused. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "and that the key may read the bucket"
            )
        case 301 | 302 | 307 | 308:
            return EtlError(
                f"{answered}: it is elsewhere, where nobody told us to go. Check "
                "AWS_ENDPOINT_URL_S3 and AWS_DEFAULT_REGION"
            )
        case _:
            return EtlError(
                f"{answered}, which trying again won't change. Check AWS_ENDPOINT_URL_S3, or ask "
                "who runs the store"
            )
