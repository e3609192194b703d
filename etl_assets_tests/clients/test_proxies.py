"""A wrong proxy in the environment."""

import pytest
from pydantic import SecretStr

from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.webhook import Webhook
from etl_assets.errors import EtlError
from etl_assets.settings import ObjectStoreSettings, ReportApiSettings
from etl_assets_tests.clients.conftest import message_without


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:hush@127.0.0.1:1",
        "http://user:hush@127.0.0.1:99999",
        "socks5://user:hush@127.0.0.1:1",
        "ftp://user:hush@127.0.0.1:1",
    ],
)
def test_an_error_names_the_proxy_and_hides_its_password(
    environment: pytest.MonkeyPatch, proxy: str
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy"):
        environment.setenv(variable, proxy)
    environment.setenv("REPORT_API_URL", "http://api.invalid")
    environment.setenv("AWS_ENDPOINT_URL_S3", "http://store.invalid")
    with pytest.raises(EtlError) as error:
        ReportApi(ReportApiSettings.read(), retry_seconds=0).generate_report()
    assert "the proxy of the environment" in message_without(error, "hush")
    with pytest.raises(EtlError) as error:
        ObjectStore(ObjectStoreSettings.read(), retry_seconds=0).find("s3://b/k")
    assert "the proxy of the environment" in message_without(error, "hush")
    with pytest.raises(EtlError) as error:
        Webhook(SecretStr("http://hook.invalid"), retry_seconds=0).post("late")
    assert "the proxy of the environment" in message_without(error, "hush")
