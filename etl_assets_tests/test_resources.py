"""What the assets talk to, when it fails: what is tried again, and what is said to people.

The faults of HTTP services are real answers of the simulator, in the object store's place too.
"""

import json
import socket
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from pydantic import SecretStr

from etl_assets.embedded.simulator import Fault, GivenFiles, Simulator
from etl_assets.embedded.world import EmbeddedWorld
from etl_assets.errors import (
    AccessRefused,
    ConfigurationError,
    EtlError,
    ObjectChanged,
    ObjectMissing,
    SchemaMissing,
    Unavailable,
    UnexpectedAnswer,
)
from etl_assets.resources import ObjectStore, ReportApi, Warehouse
from etl_assets.resources.object_store import CHUNK_BYTES, StoredObject, object_uri
from etl_assets.resources.report_api import Increment, NotFound
from etl_assets.resources.warehouse import (
    Connection,
    days_being_loaded,
    execute,
    loading,
    rows,
    writing,
)
from etl_assets.retries import retry_after
from etl_assets.settings import ObjectStoreSettings, ReportApiSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.files import MONDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.pipeline import Pipeline, calls
from etl_assets_tests.store_proxy import StoreProxy, proxy_of

BAD_GATEWAY = "<html><body>502 Bad Gateway</body></html>"


def said(error: pytest.ExceptionInfo[BaseException], *secrets: str) -> str:
    """Return what an error says; no secret is in it, nor in its traceback."""
    whole = "".join(traceback.format_exception(error.value))
    for secret in secrets:
        assert secret not in whole
    return str(error.value)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    body = csv_file(order(MONDAY))
    return open_pipeline(GivenFiles(body, (MONDAY, MONDAY), {TUESDAY: body}))


# --- The report API -------------------------------------------------------------------------------


@pytest.fixture
def report_id(pipeline: Pipeline) -> str:
    return pipeline.source.ensure_report(new=False, on_wait=lambda _: None).report_id


def ask(report_id: str, **options: Any) -> Increment | NotFound:
    """Ask for Tuesday's increment."""
    options = {"retry_seconds": 5} | options
    return ReportApi(ReportApiSettings.read(), **options).get_increment(report_id, TUESDAY)


def failing(pipeline: Pipeline, fault: Fault) -> None:
    pipeline.simulator.calls.clear()
    pipeline.simulator.faults.add(fault)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/get_increment", status=502, body=BAD_GATEWAY),
        Fault("/get_increment", status=503, times=2),
        Fault("/get_increment", status=408),
        Fault("/get_increment", status=429),
        Fault("/get_increment", reset=True),
        Fault("/get_increment", cut_after=10),
    ],
    ids=["502 with HTML", "503 twice", "408", "429", "reset", "cut off"],
)
def test_what_passes_is_asked_again(pipeline: Pipeline, report_id: str, fault: Fault) -> None:
    failing(pipeline, fault)
    assert isinstance(ask(report_id), Increment)
    assert calls(pipeline, "/get_increment") == (fault.times or 0) + 1


def test_the_wait_of_retry_after_is_kept(pipeline: Pipeline, report_id: str) -> None:
    failing(pipeline, Fault("/get_increment", status=429, headers={"Retry-After": "1"}))
    ask(report_id)
    first, second = (call.at for call in pipeline.simulator.calls)
    assert (second - first).total_seconds() >= 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("9" * 5000, None),
        ("", None),
        (None, None),
    ],
)
def test_what_retry_after_asks_for(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_what_does_not_pass_is_said_with_the_call_and_how_often(
    pipeline: Pipeline, report_id: str
) -> None:
    failing(pipeline, Fault("/get_increment", status=502, body=BAD_GATEWAY, times=None))
    with pytest.raises(Unavailable) as error:
        ask(report_id, retry_seconds=1)
    tries = calls(pipeline, "/get_increment")
    assert tries > 1
    assert said(error, pipeline.simulator.api_key, "Bad Gateway") == (
        f"GET {pipeline.simulator.url}/get_increment: the report API answered 502 ({tries} tries)"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_is_said_at_once_with_what_to_check(
    pipeline: Pipeline, report_id: str, status: int
) -> None:
    failing(pipeline, Fault("/get_increment", status=status, times=None))
    with pytest.raises(AccessRefused) as error:
        ask(report_id)
    assert f"refused access ({status}). Check REPORT_API_KEY" in said(
        error, pipeline.simulator.api_key
    )
    assert calls(pipeline, "/get_increment") == 1


@pytest.mark.usefixtures("pipeline")
def test_a_wrong_key_is_refused_by_the_api_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_API_KEY", "a-wrong-key")
    api = ReportApi(ReportApiSettings.read(), retry_seconds=0)
    with pytest.raises(AccessRefused) as error:
        api.check_access()
    said(error, "a-wrong-key")


def test_access_is_checked_without_changing_anything(pipeline: Pipeline) -> None:
    pipeline.report_api.check_access()
    assert [call.method for call in pipeline.simulator.calls] == ["GET"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed_for_it_would_take_the_key_along(
    pipeline: Pipeline, report_id: str, status: int
) -> None:
    target = f"{pipeline.simulator.url}/get_report"
    failing(pipeline, Fault("/get_increment", status=status, headers={"Location": target}))
    with pytest.raises(UnexpectedAnswer, match=f"answered {status}, which trying again won't"):
        ask(report_id)
    assert [call.path for call in pipeline.simulator.calls] == ["/get_increment"]


@pytest.mark.parametrize("body", ["", "{", '{"status": "SUCC'])
def test_an_answer_that_ends_early_is_asked_for_again(
    pipeline: Pipeline, report_id: str, body: str
) -> None:
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    assert isinstance(ask(report_id), Increment)
    assert calls(pipeline, "/get_increment") == 2
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    with pytest.raises(Unavailable, match=r"not what it should be \(json_invalid\): it ends early"):
        ask(report_id, retry_seconds=0)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (BAD_GATEWAY, "json_invalid"),
        ('{"status": "SUCCESS"}, ', "json_invalid"),
        ('{"status": "SUCCESS", "data": {"increment_id": "\\u0000"}}', "data.increment_id"),
        (
            '{"status": "SUCCESS", "data": {"increment_id": "%s"}}' % ("a" * 9999),
            "data.increment_id",
        ),
        ('{"status": "SUCCESS", "data": {"s3_path": {"a": "\\u001b[2J"}}}', "data.s3_path.a"),
        ('{"status": "SUCCESS", "data": {"s3_path": {"\\n": "a"}}}', "data.s3_path. .[key]"),
        ("[]", "model_type"),
        ('{"status": "SUCCESS"}', "data"),
        ('{"status": "SUCCESS", "data": {"increment_id": 7}}', "data.increment_id"),
        ('{"status": "SUCCESS", "data": {"increment_id": "a", "s3_path": []}}', "data.s3_path"),
    ],
)
def test_an_answer_of_another_form_is_said_by_its_fields(
    pipeline: Pipeline, report_id: str, body: str, wrong: str
) -> None:
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    with pytest.raises(EtlError) as error:
        ask(report_id)
    assert f"get_increment is not what it should be ({wrong})" in said(error, "Bad Gateway")
    assert calls(pipeline, "/get_increment") == 1


def test_the_words_of_the_api_are_said_in_one_line_and_not_all_of_them(
    pipeline: Pipeline, report_id: str
) -> None:
    words = "Too early.\n\x1b[2J" + " Try later." * 99
    body = json.dumps({"status": "NOT FOUND", "data": {"increment_id": None}, "debug_info": words})
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    found = ask(report_id)
    assert isinstance(found, NotFound)
    assert found.why
    assert found.why.startswith("Too early. [2J Try later. Try later.")
    assert found.why.isprintable()
    assert len(found.why) <= 200


def test_an_answer_that_repeats_the_key_does_not_tell_it(pipeline: Pipeline) -> None:
    key = pipeline.simulator.api_key
    failing(pipeline, Fault("/generate_report", status=200, body=json.dumps({"task_id": key})))
    assert pipeline.report_api.generate_report() == "***"
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    failing(pipeline, Fault("/generate_report", status=200, body=f'{{"task_id": "{escaped}"}}'))
    assert pipeline.report_api.generate_report() == "***"
    body = f'{{"status": "SUCCESS", "data": {{"s3_path": {{"{escaped}": 7}}}}}}'
    failing(pipeline, Fault("/get_report", status=200, body=body))
    with pytest.raises(EtlError, match=r"data\.s3_path\.\*\*\*") as error:
        pipeline.report_api.get_report("a")
    said(error, key)


def test_an_increment_that_is_neither_there_nor_not_is_said(
    pipeline: Pipeline, report_id: str
) -> None:
    body = json.dumps({"status": "PENDING", "data": {"increment_id": None}})
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    with pytest.raises(EtlError, match=f"says 'PENDING' of the increment of {TUESDAY}"):
        ask(report_id)


def test_an_answer_without_end_is_not_read_to_its_end(pipeline: Pipeline, report_id: str) -> None:
    failing(pipeline, Fault("/get_increment", status=200, body=" " * (2 << 20)))
    with pytest.raises(EtlError, match="answer is over 1048576 bytes"):
        ask(report_id)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/get_increment", status=200, body=" " * 1000, drip=0.02, times=None),
        Fault("/get_increment", delay=2, times=None),
    ],
    ids=["drips", "does not begin"],
)
def test_a_slow_answer_is_given_up(pipeline: Pipeline, report_id: str, fault: Fault) -> None:
    failing(pipeline, fault)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        ask(report_id, retry_seconds=0, answer_seconds=0.3)
    assert time.monotonic() - began < 1.5


def test_ids_are_opaque_and_arrive_as_they_were_given(pipeline: Pipeline) -> None:
    with pytest.raises(UnexpectedAnswer):
        pipeline.report_api.get_increment("a=/+&b?#%3D", MONDAY)
    assert pipeline.simulator.calls[-1].query == {
        "report_id": "a=/+&b?#%3D",
        "date": f"{MONDAY}T00:00:00",
    }


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:hush@127.0.0.1:1",
        "http://user:hush@127.0.0.1:99999",
        "socks5://user:hush@127.0.0.1:1",
        "ftp://user:hush@127.0.0.1:1",
    ],
)
def test_the_password_of_a_proxy_is_not_said(environment: pytest.MonkeyPatch, proxy: str) -> None:
    for variable in ("HTTP_PROXY", "http_proxy"):
        environment.setenv(variable, proxy)
    environment.setenv("REPORT_API_URL", "http://api.invalid")
    environment.setenv("AWS_ENDPOINT_URL_S3", "http://store.invalid")
    with pytest.raises(EtlError) as error:
        ReportApi(ReportApiSettings.read(), retry_seconds=0).generate_report()
    said(error, "hush")
    with pytest.raises(EtlError) as error:
        ObjectStore(ObjectStoreSettings.read(), retry_seconds=0).find("s3://b/k")
    said(error, "hush")


# --- The object store -----------------------------------------------------------------------------


@pytest.fixture
def store(environment: pytest.MonkeyPatch) -> ObjectStore:
    del environment  # set up, and not to be changed
    return ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)


@pytest.fixture
def object_in_store(world: EmbeddedWorld) -> str:
    client = world.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/object", Body=b"abc" * 1000)
    return "s3://s3-sprint3/test/object"


def test_an_object_is_found_and_read(store: ObjectStore, object_in_store: str) -> None:
    found = store.find(object_in_store)
    assert (found.uri, found.size) == (object_in_store, 3000)
    assert b"".join(store.read(found)) == b"abc" * 1000
    store.check_access()


@pytest.mark.parametrize("uri", ["s3://s3-sprint3/test/other", "s3://no-such-bucket/test"])
def test_an_object_that_is_not_there_is_missing(store: ObjectStore, uri: str) -> None:
    with pytest.raises(ObjectMissing, match=f"{uri} at http://.*: there is no such object"):
        store.find(uri)


def test_another_version_than_was_found_is_not_read(
    store: ObjectStore, object_in_store: str, world: EmbeddedWorld
) -> None:
    found = store.find(object_in_store)
    client = world.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/object", Body=b"xyz" * 1000)
    with pytest.raises(ObjectChanged, match="was replaced meanwhile"):
        b"".join(store.read(found))


def test_an_object_of_another_size_is_not_read(store: ObjectStore, object_in_store: str) -> None:
    found = store.find(object_in_store)
    with pytest.raises(ObjectChanged, match="is 3000 bytes long and was 7 when it was found"):
        b"".join(store.read(StoredObject(found.uri, found.etag, 7)))


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_a_wrong_key_of_the_store_is_refused_without_being_shown(
    environment: pytest.MonkeyPatch, object_in_store: str, variable: str
) -> None:
    environment.setenv(variable, "a-wrong-key")
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)
    with pytest.raises(AccessRefused) as error:
        store.find(object_in_store)
    message = said(error, "a-wrong-key")
    assert "403" in message
    assert "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in message


def test_an_environment_that_the_aws_library_does_not_take_is_said(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.delenv("AWS_CA_BUNDLE", raising=False)
    environment.setenv("REQUESTS_CA_BUNDLE", "")
    with pytest.raises(ConfigurationError, match=r"Invalid CA bundle: .*AWS_CA_BUNDLE"):
        ObjectStore(ObjectStoreSettings.read())


def test_a_store_that_cannot_be_reached_is_unavailable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port()}")
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)
    with pytest.raises(Unavailable, match="Check AWS_ENDPOINT_URL_S3 and the network"):
        store.find("s3://s3-sprint3/test/object")


@pytest.fixture
def faulty_store(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A store that is the simulator, for the answers that its faults give."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", pipeline.simulator.url)
    return ObjectStore(ObjectStoreSettings.read(), retry_seconds=5)


def answers(simulator: Simulator, status: int, body: str = "", **options: Any) -> None:
    headers = {"ETag": '"1"', "Content-Length": str(len(body))}
    simulator.faults.add(Fault("/b/k", status=status, body=body, headers=headers, **options))


def test_a_fault_in_the_middle_of_a_chunk_has_the_chunk_read_again(
    pipeline: Pipeline, faulty_store: ObjectStore
) -> None:
    answers(pipeline.simulator, 200, "abcdef", cut_after=3)
    answers(pipeline.simulator, 503)
    answers(pipeline.simulator, 200, "abcdef")
    assert b"".join(faulty_store.read(StoredObject("s3://b/k", '"1"', 6))) == b"abcdef"
    assert calls(pipeline, "/b/k") == 3


LARGE = "".join(f"{number:07}\n" for number in range(5 * CHUNK_BYTES // 16))


def test_a_store_that_knows_no_ranges_is_read_from_the_start_and_given_from_the_fault_on(
    pipeline: Pipeline, faulty_store: ObjectStore
) -> None:
    answers(pipeline.simulator, 200, LARGE, cut_after=CHUNK_BYTES + 9)
    answers(pipeline.simulator, 200, LARGE)
    read = b"".join(faulty_store.read(StoredObject("s3://b/k", '"1"', len(LARGE))))
    assert read == LARGE.encode()
    assert calls(pipeline, "/b/k") == 2


@pytest.fixture
def large_object(world: EmbeddedWorld) -> str:
    client = world.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/large", Body=LARGE.encode())
    return "s3://s3-sprint3/test/large"


@pytest.fixture
def cut_store(
    environment: pytest.MonkeyPatch, world: EmbeddedWorld, large_object: str
) -> Iterator[tuple[ObjectStore, StoreProxy]]:
    """A store that breaks off in the second chunk, once."""
    with proxy_of(world.object_store.endpoint_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        path = large_object.removeprefix("s3:/")
        proxy.faults.add(Fault(path, method="GET", cut_after=CHUNK_BYTES + 9))
        yield ObjectStore(ObjectStoreSettings.read(), retry_seconds=5), proxy


def test_a_fault_after_some_chunks_is_ridden_out_by_asking_for_the_rest(
    cut_store: tuple[ObjectStore, StoreProxy], large_object: str
) -> None:
    store, proxy = cut_store
    ranges: list[str | None] = []
    proxy.before = lambda request: ranges.append(request.headers.get("Range"))
    assert b"".join(store.read(store.find(large_object))) == LARGE.encode()
    assert proxy.methods() == ["HEAD", "GET", "GET"]
    assert ranges == [None, None, f"bytes={CHUNK_BYTES}-"]


def test_an_object_replaced_while_it_is_read_is_not_read_on(
    cut_store: tuple[ObjectStore, StoreProxy], world: EmbeddedWorld, large_object: str
) -> None:
    store, _ = cut_store
    chunks = store.read(store.find(large_object))
    assert len(next(chunks)) == CHUNK_BYTES
    client = world.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/large", Body=LARGE.swapcase().encode()[::-1])
    with pytest.raises(ObjectChanged, match="was replaced meanwhile"):
        list(chunks)


@pytest.mark.usefixtures("faulty_store")
def test_an_object_that_drips_for_ever_is_given_up(pipeline: Pipeline) -> None:
    answers(pipeline.simulator, 200, "a" * 5_000, drip=0.01, times=None)
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0, answer_seconds=0.3)
    with pytest.raises(Unavailable, match=r"of 5000 bytes only \d+ came in 0.3 s"):
        list(store.read(StoredObject("s3://b/k", '"1"', 5_000)))


@pytest.mark.usefixtures("faulty_store")
def test_an_object_that_stops_to_come_is_given_up(pipeline: Pipeline) -> None:
    answers(pipeline.simulator, 200, "a" * 5_000, drip=2, times=None)
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0, answer_seconds=0.3)
    with pytest.raises(Unavailable, match=r"broke off \(ReadTimeoutError\)"):
        list(store.read(StoredObject("s3://b/k", '"1"', 5_000)))


@pytest.mark.parametrize(
    "fault", [Fault("/b/k", status=503), Fault("/b/k", status=500), Fault("/b/k", reset=True)]
)
def test_what_passes_in_the_store_is_asked_again(
    pipeline: Pipeline, faulty_store: ObjectStore, fault: Fault
) -> None:
    pipeline.simulator.faults.add(fault)
    answers(pipeline.simulator, 200)
    assert faulty_store.find("s3://b/k") == StoredObject("s3://b/k", '"1"', 0)


@pytest.mark.parametrize("status", [400, 405])
def test_any_other_answer_of_the_store_is_said_at_once(
    pipeline: Pipeline, faulty_store: ObjectStore, status: int
) -> None:
    answers(pipeline.simulator, status, times=None)
    with pytest.raises(EtlError, match=f"answered {status}, which trying again won't change"):
        faulty_store.find("s3://b/k")
    assert calls(pipeline, "/b/k") == 1


@pytest.mark.parametrize("region", [{}, {"x-amz-bucket-region": "eu-west-1"}])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_of_the_store_is_not_followed_to_another_address(
    pipeline: Pipeline, faulty_store: ObjectStore, status: int, region: dict[str, str]
) -> None:
    elsewhere = {"Location": f"{pipeline.simulator.url}/elsewhere"} | region
    fault = Fault("/b*", status=status, headers=elsewhere, times=None)
    pipeline.simulator.faults.add(fault)
    with pytest.raises(EtlError, match=rf"answered {status}: it is elsewhere.* Check AWS_ENDPOINT"):
        faulty_store.find("s3://b/k")
    paths = [call.path for call in pipeline.simulator.calls if call.path.startswith(("/b", "/e"))]
    assert len(paths) <= 2
    assert set(paths) <= {"/b", "/b/k"}


def test_of_a_refusal_by_the_store_only_a_code_is_said(
    pipeline: Pipeline, faulty_store: ObjectStore
) -> None:
    for code, shown in (("AccessDenied", "403 AccessDenied: "), ("\x1b[2J a" * 99, "403: ")):
        words = code.replace("\x1b", "&#27;")
        body = f"<Error><Code>{words}</Code><Message>Zebedee</Message></Error>"
        pipeline.simulator.faults.add(Fault("/b/k", status=403, body=body))
        with pytest.raises(AccessRefused, match=f"answered {shown}access refused"):
            list(faulty_store.read(StoredObject("s3://b/k", '"1"', 6)))


@pytest.mark.parametrize(
    "url",
    [
        "https://host/bucket/a/b%20c%3D.csv",
        "http://other:9/bucket/a/b%20c%3D.csv?X-Amz-Signature=1&x=/other/key#/other/key",
        "https://user:password@169.254.169.254/bucket/a/b%20c%3D.csv",
        "https://[::1]:9/bucket/a/b%20c%3D.csv",
        "https://хост/bucket%2Fa%2Fb c=.csv",
        "https://host//bucket/a/b%20c=.csv",
    ],
)
def test_only_bucket_and_key_of_an_address_count(url: str) -> None:
    assert object_uri(url) == "s3://bucket/a/b c=.csv"


@pytest.mark.parametrize(
    "url",
    [
        *("", "bucket/key", "//host/bucket/key", "s3://bucket/key", "file:///etc/passwd"),
        *(
            "gopher://host/bucket/key",
            "https://host",
            "https://host/bucket",
            "https://host/bucket/",
        ),
        *("https://[::1/bucket/key", "https://host/bucket/%ff", "https://host/bucket/a%0d%0ab"),
        *("https://host/bucket/../other/key", "https://host/bucket/%2e%2e/other/key"),
        *("https://host/bucket/a/..%2f..%2fother", "https://host/bucket/./key"),
        "https://host/../../etc/passwd",
        "https://host/arn:aws:s3:us-east-1:123456789012:accesspoint/evil/key",
        "https://host/bucket@evil/key",
        f"https://host/{'b' * 300}/key",
        "https://host/bucket/a\u202eb",
    ],
)
def test_what_is_no_address_of_an_object_is_refused(url: str) -> None:
    with pytest.raises(EtlError, match="which is no address of the form https://host/bucket/key"):
        object_uri(url)


@pytest.mark.parametrize("host", ["host", "user:hush@host", "user:hu/hush@host"])
@pytest.mark.parametrize("query", ["?X-Amz-Signature=hush", "#hush", "?a=b@hush", ""])
def test_of_what_is_no_address_no_secret_is_said(host: str, query: str) -> None:
    with pytest.raises(EtlError, match=r"the file 'ftp://host/bucket/key', which") as error:
        object_uri(f"ftp://{host}/bucket/key{query}")
    said(error, "hush")


# --- The warehouse --------------------------------------------------------------------------------


@dataclass
class Address:
    """The warehouse's address, to be got wrong."""

    url: str

    def but(self, **parts: str | int) -> Warehouse:
        split = urlsplit(self.url)
        user = parts.get("user", split.username)
        password = parts.get("password", split.password)
        port = parts.get("port", split.port)
        path = f"/{parts['database']}" if "database" in parts else split.path
        netloc = f"{user}:{password}@{parts.get('host', split.hostname)}:{port}"
        url = urlunsplit(split._replace(netloc=netloc, path=path))
        return Warehouse(SecretStr(url), retry_seconds=0)

    @property
    def password(self) -> str:
        return urlsplit(self.url).password or ""


@pytest.fixture
def address(world: EmbeddedWorld) -> Address:
    return Address(world.postgres.url("warehouse"))


def one(connection: Connection) -> Any:
    (row,) = connection.execute("SELECT 1 AS one").fetchall()
    return row["one"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "a-wrong-password"}, "password authentication failed"),
        ({"user": "nobody"}, "password authentication failed"),
        ({"database": "no_such_database"}, '"no_such_database" does not exist'),
    ],
)
def test_a_warehouse_that_cannot_be_opened_is_said_at_once(
    address: Address, wrong: dict[str, str], message: str
) -> None:
    with pytest.raises(EtlError) as error:
        address.but(**wrong).run(one)
    words = said(error, "a-wrong-password", address.password)
    assert not isinstance(error.value, Unavailable)
    assert words.startswith("The warehouse can't be opened: ")
    assert message in words
    assert words.endswith("Check WAREHOUSE_URL")


def test_a_service_that_is_not_defined_is_said_at_once(address: Address) -> None:
    with pytest.raises(EtlError, match=r"opened: .*nowhere.* Check WAREHOUSE_URL") as error:
        Warehouse(SecretStr(f"{address.url}?service=nowhere"), retry_seconds=0).run(one)
    assert not isinstance(error.value, Unavailable)
    said(error, address.password)


def test_a_warehouse_that_does_not_answer_is_unavailable(address: Address) -> None:
    with pytest.raises(Unavailable) as error:
        address.but(port=closed_port()).run(one)
    assert "could not be reached" in said(error, address.password)
    assert "Check that it runs, and WAREHOUSE_URL" in str(error.value)


def raising(state: str) -> str:
    return f"DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END$$"


@pytest.mark.parametrize(
    "fault",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SET statement_timeout = 10; SELECT pg_sleep(60)",
        "SET idle_session_timeout = 10",
        "BEGIN; SET transaction_timeout = 10",
        "BEGIN; SET idle_in_transaction_session_timeout = 10",
        *map(raising, ["08006", "40001", "40P01", "53200", "53300", "55P03", "57P02", "57P03"]),
    ],
)
def test_what_passes_in_the_warehouse_is_done_again(address: Address, fault: str) -> None:
    faults = [fault]

    def work(connection: Connection) -> Any:
        if faults:
            connection.execute(faults.pop().encode())
            time.sleep(0.1)
        return one(connection)

    assert Warehouse(SecretStr(address.url), retry_seconds=5).run(work) == 1
    faults.append(fault)
    with pytest.raises(Unavailable, match=r"broke off: .+\. [A-Z]\w+ .+") as error:
        address.but().run(work)
    said(error, address.password)


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("25006", "give WAREHOUSE_URL the primary's address"),
        ("53100", "have space freed or added there"),
        ("53400", "Have that limit of its server raised"),
        ("58030", "see its log"),
        ("XX001", "see its log"),
    ],
)
def test_what_does_not_pass_in_the_warehouse_is_said_at_once_with_what_to_do(
    address: Address, state: str, remedy: str
) -> None:
    tries: list[str] = []

    def work(connection: Connection) -> None:
        tries.append(state)
        connection.execute(raising(state).encode())

    with pytest.raises(EtlError, match=rf"no \(SQLSTATE {state}\)\. .*{remedy}"):
        Warehouse(SecretStr(address.url), retry_seconds=5).run(work)
    assert len(tries) == 1


def test_a_statement_that_takes_too_long_is_given_up_by_who_is_in_a_hurry(
    address: Address,
) -> None:
    house = Warehouse(SecretStr(address.url), retry_seconds=0, answer_seconds=0.05)
    with pytest.raises(Unavailable, match="due to statement timeout"):
        house.run(lambda connection: connection.execute("SELECT pg_sleep(60)"))


def test_whoever_vanishes_without_a_word_is_noticed_soon_by_the_other(address: Address) -> None:
    def keepalive(connection: Connection) -> tuple[Any, ...]:
        settings = connection.execute("SHOW tcp_keepalives_idle").fetchone() or {}
        ours = connection.info.get_parameters()
        return settings["tcp_keepalives_idle"], ours["keepalives_idle"]

    assert address.but().run(keepalive) == ("30", "30")


def test_a_transaction_that_is_done_again_begins_anew(pipeline: Pipeline) -> None:
    faults = [psycopg.errors.SerializationFailure("no")]

    def work(connection: Connection) -> None:
        with writing(connection):
            connection.execute("INSERT INTO etl.report (task_id) VALUES ('a')")
            if faults:
                raise faults.pop()

    Warehouse(pipeline.warehouse._url, retry_seconds=5).run(work)
    assert pipeline.query("SELECT task_id FROM etl.report") == [("a",)]


def test_the_rows_of_an_error_are_not_said(pipeline: Pipeline) -> None:
    def work(connection: Connection) -> None:
        for _ in range(2):
            execute(connection, "etl/record_task", {"task_id": "Ольга"})
            connection.execute("INSERT INTO etl.report (task_id) VALUES ('Ольга')")

    with pytest.raises(EtlError, match=r"duplicate key value violates.*SQLSTATE 23505") as error:
        pipeline.warehouse.run(work)
    said(error, "Key (task_id)")


def test_a_value_that_the_server_quotes_is_not_said(address: Address) -> None:
    value = "Ольга"
    with pytest.raises(EtlError, match="InvalidTextRepresentation") as error:
        address.but().run(lambda connection: connection.execute("SELECT %s::bigint", [value]))
    said(error, value)


def test_a_table_that_is_missing_is_the_schema_that_is_missing(address: Address) -> None:
    with pytest.raises(SchemaMissing, match="Run: etl-assets migrate"):
        address.but().run(lambda connection: connection.execute("SELECT * FROM mart.nothing"))


def test_one_writer_waits_for_the_other_and_then_sees_what_it_has_done(
    pipeline: Pipeline,
) -> None:
    first_is_in, second_waits = Event(), Event()

    def first(connection: Connection) -> None:
        with writing(connection):
            first_is_in.set()
            second_waits.wait(10)
            connection.execute("INSERT INTO etl.report (task_id) VALUES ('of the first')")

    def second(connection: Connection) -> list[str]:
        first_is_in.wait(10)
        with writing(connection):
            return [row["task_id"] for row in rows(connection, "etl/reports")]

    def watch() -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while pipeline.query(waiting) == [(0,)]:
            first_is_in.wait(10)
        second_waits.set()

    with ThreadPoolExecutor(3) as pool:
        pool.submit(pipeline.warehouse.run, first)
        seen = pool.submit(pipeline.warehouse.run, second)
        watched = pool.submit(watch)
        watched.result()
        assert seen.result() == ["of the first"]


def test_a_day_is_shown_as_being_loaded_although_the_warehouse_restarts_just_then(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Warehouse(SecretStr(address.url), retry_seconds=5)
    opened = house.open
    faults = [psycopg.OperationalError("the connection was lost")]

    def open_at_the_second_try() -> Connection:
        if faults:
            raise faults.pop()
        return opened()

    monkeypatch.setattr(house, "open", open_at_the_second_try)
    with loading(house, [MONDAY]):
        assert days_being_loaded(house) == {MONDAY}
        # And what becomes of its session does not become of the work.
        house.run(
            lambda connection: connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
    assert days_being_loaded(house) == set()


def test_days_are_shown_as_being_loaded_for_as_long_as_the_session_lives(
    pipeline: Pipeline,
) -> None:
    house = pipeline.warehouse
    with loading(house, [MONDAY, TUESDAY]), loading(house, [TUESDAY, WEDNESDAY]):
        assert days_being_loaded(house) == {MONDAY, TUESDAY, WEDNESDAY}
    assert days_being_loaded(house) == set()


def test_a_session_that_shows_days_as_being_loaded_is_never_ended_as_idle(address: Address) -> None:
    url = f"{address.url}?options=-cidle_session_timeout%3D50"
    house = Warehouse(SecretStr(url), retry_seconds=0)
    with loading(house, [MONDAY]):
        time.sleep(0.2)
        assert days_being_loaded(house) == {MONDAY}
