"""Failures of the object store.

The simulator gives those answers that a real store never gives.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from etl_assets.clients.object_store import CHUNK_BYTES, ObjectStore, StoredObject, object_uri
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import Fault, Simulator
from etl_assets.errors import (
    AccessRefused,
    ConfigurationError,
    EtlError,
    ObjectChanged,
    ObjectMissing,
    ServiceUnavailable,
)
from etl_assets.settings import ObjectStoreSettings
from etl_assets_tests.clients.conftest import closed_port, message_without
from etl_assets_tests.support.pipeline import Pipeline, calls
from etl_assets_tests.support.store_proxy import StoreProxy, proxy_of


@pytest.fixture
def store(environment: pytest.MonkeyPatch) -> ObjectStore:
    del environment  # the fixture is needed, its value is not
    return ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)


@pytest.fixture
def object_in_store(services: EmbeddedServices) -> str:
    client = services.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/object", Body=b"abc" * 1000)
    return "s3://s3-sprint3/test/object"


def test_an_object_is_found_and_read(store: ObjectStore, object_in_store: str) -> None:
    found = store.find(object_in_store)
    assert (found.uri, found.size) == (object_in_store, 3000)
    assert b"".join(store.read(found)) == b"abc" * 1000
    store.check_access()


@pytest.mark.parametrize("uri", ["s3://s3-sprint3/test/other", "s3://no-such-bucket/test"])
def test_a_missing_object_is_reported(store: ObjectStore, uri: str) -> None:
    with pytest.raises(ObjectMissing, match=f"{uri} at http://.*: there is no such object"):
        store.find(uri)


def test_a_version_other_than_the_found_one_is_not_read(
    store: ObjectStore, object_in_store: str, services: EmbeddedServices
) -> None:
    found = store.find(object_in_store)
    client = services.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/object", Body=b"xyz" * 1000)
    with pytest.raises(ObjectChanged, match="was replaced meanwhile"):
        b"".join(store.read(found))


def test_an_object_of_another_size_is_not_read(store: ObjectStore, object_in_store: str) -> None:
    found = store.find(object_in_store)
    with pytest.raises(ObjectChanged, match="is 3000 bytes long and was 7 when it was found"):
        b"".join(store.read(StoredObject(found.uri, found.etag, 7)))


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_a_wrong_key_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, object_in_store: str, variable: str
) -> None:
    environment.setenv(variable, "a-wrong-key")
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)
    with pytest.raises(AccessRefused) as error:
        store.find(object_in_store)
    message = message_without(error, "a-wrong-key")
    assert "403" in message
    assert "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in message


def test_an_environment_that_the_aws_library_rejects_is_reported(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.delenv("AWS_CA_BUNDLE", raising=False)
    environment.setenv("REQUESTS_CA_BUNDLE", "")
    with pytest.raises(ConfigurationError, match=r"Invalid CA bundle: .*AWS_CA_BUNDLE"):
        ObjectStore(ObjectStoreSettings.read())


def test_a_store_that_cannot_be_reached_is_unavailable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port()}")
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)
    with pytest.raises(ServiceUnavailable, match="Check AWS_ENDPOINT_URL_S3, the network"):
        store.find("s3://s3-sprint3/test/object")


@pytest.fixture
def faulty_store(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A client whose store is the simulator, which answers with its faults."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", pipeline.simulator.url)
    return ObjectStore(ObjectStoreSettings.read(), retry_seconds=5)


def answers(simulator: Simulator, status: int, body: str = "", **options: Any) -> None:
    headers = {"ETag": '"1"', "Content-Length": str(len(body))}
    simulator.faults.add(Fault("/b/k", status=status, body=body, headers=headers, **options))


def test_a_chunk_that_fails_is_read_again(pipeline: Pipeline, faulty_store: ObjectStore) -> None:
    answers(pipeline.simulator, 200, "abcdef", cut_after=3)
    answers(pipeline.simulator, 503)
    answers(pipeline.simulator, 200, "abcdef")
    assert b"".join(faulty_store.read(StoredObject("s3://b/k", '"1"', 6))) == b"abcdef"
    assert calls(pipeline, "/b/k") == 3


LARGE = "".join(f"{number:07}\n" for number in range(5 * CHUNK_BYTES // 16))


def test_a_store_without_ranges_is_read_again_from_the_start_up_to_the_fault(
    pipeline: Pipeline, faulty_store: ObjectStore
) -> None:
    answers(pipeline.simulator, 200, LARGE, cut_after=CHUNK_BYTES + 9)
    answers(pipeline.simulator, 200, LARGE)
    read = b"".join(faulty_store.read(StoredObject("s3://b/k", '"1"', len(LARGE))))
    assert read == LARGE.encode()
    assert calls(pipeline, "/b/k") == 2


@pytest.fixture
def large_object(services: EmbeddedServices) -> str:
    client = services.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/large", Body=LARGE.encode())
    return "s3://s3-sprint3/test/large"


@pytest.fixture
def cut_store(
    environment: pytest.MonkeyPatch, services: EmbeddedServices, large_object: str
) -> Iterator[tuple[ObjectStore, StoreProxy]]:
    """A store that breaks off once, in the second chunk."""
    with proxy_of(services.object_store.endpoint_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        path = large_object.removeprefix("s3:/")
        proxy.faults.add(Fault(path, method="GET", cut_after=CHUNK_BYTES + 9))
        yield ObjectStore(ObjectStoreSettings.read(), retry_seconds=5), proxy


def test_after_a_fault_only_the_rest_of_the_object_is_requested(
    cut_store: tuple[ObjectStore, StoreProxy], large_object: str
) -> None:
    store, proxy = cut_store
    ranges: list[str | None] = []
    proxy.before = lambda request: ranges.append(request.headers.get("Range"))
    assert b"".join(store.read(store.find(large_object))) == LARGE.encode()
    assert proxy.methods() == ["HEAD", "GET", "GET"]
    assert ranges == [None, None, f"bytes={CHUNK_BYTES}-"]


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(
    cut_store: tuple[ObjectStore, StoreProxy], services: EmbeddedServices, large_object: str
) -> None:
    store, _ = cut_store
    chunks = store.read(store.find(large_object))
    assert len(next(chunks)) == CHUNK_BYTES
    client = services.object_store.client()
    client.put_object(Bucket="s3-sprint3", Key="test/large", Body=LARGE.swapcase().encode()[::-1])
    with pytest.raises(ObjectChanged, match="was replaced meanwhile"):
        list(chunks)


@pytest.mark.usefixtures("faulty_store")
def test_an_object_that_arrives_too_slowly_is_given_up(pipeline: Pipeline) -> None:
    answers(pipeline.simulator, 200, "a" * 5_000, drip=0.01, times=None)
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0, answer_seconds=0.3)
    with pytest.raises(ServiceUnavailable, match=r"only \d+ of 5000 bytes arrived in 0.3 s"):
        list(store.read(StoredObject("s3://b/k", '"1"', 5_000)))


@pytest.mark.usefixtures("faulty_store")
def test_an_object_that_stops_arriving_is_given_up(pipeline: Pipeline) -> None:
    answers(pipeline.simulator, 200, "a" * 5_000, drip=2, times=None)
    store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0, answer_seconds=0.3)
    with pytest.raises(ServiceUnavailable, match=r"broke off \(ReadTimeoutError\)"):
        list(store.read(StoredObject("s3://b/k", '"1"', 5_000)))


@pytest.mark.parametrize(
    "fault", [Fault("/b/k", status=503), Fault("/b/k", status=500), Fault("/b/k", reset=True)]
)
def test_a_transient_fault_of_the_store_is_tried_again(
    pipeline: Pipeline, faulty_store: ObjectStore, fault: Fault
) -> None:
    pipeline.simulator.faults.add(fault)
    answers(pipeline.simulator, 200)
    assert faulty_store.find("s3://b/k") == StoredObject("s3://b/k", '"1"', 0)


@pytest.mark.parametrize("status", [400, 405])
def test_any_other_error_of_the_store_is_raised_at_once(
    pipeline: Pipeline, faulty_store: ObjectStore, status: int
) -> None:
    answers(pipeline.simulator, status, times=None)
    with pytest.raises(EtlError, match=f"answered {status}, and would answer so again"):
        faulty_store.find("s3://b/k")
    assert calls(pipeline, "/b/k") == 1


@pytest.mark.parametrize("region", [{}, {"x-amz-bucket-region": "eu-west-1"}])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_of_the_store_is_not_followed(
    pipeline: Pipeline, faulty_store: ObjectStore, status: int, region: dict[str, str]
) -> None:
    elsewhere = {"Location": f"{pipeline.simulator.url}/elsewhere"} | region
    fault = Fault("/b*", status=status, headers=elsewhere, times=None)
    pipeline.simulator.faults.add(fault)
    with pytest.raises(
        EtlError, match=rf"answered {status}: a redirect to another address.* Check AWS_ENDPOINT"
    ):
        faulty_store.find("s3://b/k")
    paths = [call.path for call in pipeline.simulator.calls if call.path.startswith(("/b", "/e"))]
    assert len(paths) <= 2
    assert set(paths) <= {"/b", "/b/k"}


def test_only_the_code_of_a_refusal_is_shown(pipeline: Pipeline, faulty_store: ObjectStore) -> None:
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
def test_only_the_bucket_and_the_key_of_an_address_are_used(url: str) -> None:
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
def test_an_invalid_address_of_an_object_is_refused(url: str) -> None:
    with pytest.raises(EtlError, match="which is no address of the form https://host/bucket/key"):
        object_uri(url)


@pytest.mark.parametrize("host", ["host", "user:hush@host", "user:hu/hush@host"])
@pytest.mark.parametrize("query", ["?X-Amz-Signature=hush", "#hush", "?a=b@hush", ""])
def test_the_secrets_of_an_invalid_address_are_not_shown(host: str, query: str) -> None:
    with pytest.raises(EtlError, match=r"the file 'ftp://host/bucket/key', which") as error:
        object_uri(f"ftp://{host}/bucket/key{query}")
    message_without(error, "hush")
