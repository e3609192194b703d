"""The webhook: where alarms are posted, such as a chat's incoming one."""

from pydantic import SecretStr

from etl_assets.clients.retries import Transient, is_transient, retried_for
from etl_assets.clients.tls import tls_fault
from etl_assets.errors import EtlError

_SECONDS = 10.0
"""How long a post is tried, and an answer waited for: a sensor's tick may take 60 s."""


class Webhook:
    """An address that takes `{"text": …}` by POST, as those of Slack, Mattermost and Teams do.

    The address holds what lets one post, so nothing that is said here quotes it.
    """

    def __init__(self, url: SecretStr, *, retry_seconds: float = _SECONDS) -> None:
        self._url = url
        self._retry_seconds = retry_seconds

    def post(self, text: str) -> None:
        """Post a text.

        Raises:
            Unavailable: it could not be posted for as long as it was tried.
            EtlError: it was refused.
        """
        retried_for(self._retry_seconds, self._post_once, text)

    def _post_once(self, text: str) -> None:
        import requests

        try:
            response = requests.post(
                self._url.get_secret_value(),
                json={"text": text},
                timeout=_SECONDS,
                # A redirect would carry the text to wherever it points.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Not chained: its words quote the address.
            if isinstance(error, requests.exceptions.SSLError) and (fault := tls_fault(error)):
                raise EtlError(
                    f"TLS with the webhook's server failed: {fault}. Check ETL_ALARM_WEBHOOK_URL, "
                    "and that REQUESTS_CA_BUNDLE names the certificate of your own authority if "
                    "it is one"
                ) from None
            raise Transient(
                f"The webhook could not be reached ({type(error).__name__}). Check "
                "ETL_ALARM_WEBHOOK_URL, the network, and the proxy of the environment if there is "
                "one"
            ) from None
        status = response.status_code
        if is_transient(status):
            raise Transient(f"The webhook answered {status}")
        if not response.ok or response.is_redirect:
            raise EtlError(f"The webhook refused the alarm ({status}). Check ETL_ALARM_WEBHOOK_URL")
