"""The webhook: where alarms are posted, such as a chat's incoming one."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from pydantic import SecretStr

from etl_assets.clients.retries import Transient, is_transient, retried_for
from etl_assets.clients.tls import tls_fault
from etl_assets.errors import AlarmRefused, EtlError

_SECONDS = 10.0
"""How long a post is tried, and an answer waited for: a sensor's tick may take 60 s."""

MESSAGE_CHARACTERS = 4_000
"""How long a message may be: Slack asks for no more, and older Mattermosts take no more."""

_OF_A_DAY = re.compile(r"\d{4}-\d\d-\d\d: ")


class Webhook:
    """An address that takes `{"text": …}` by POST, as incoming webhooks of Slack and Mattermost do.

    Microsoft Teams no longer takes it.

    The address holds what lets one post, so nothing that is said here quotes it.
    """

    def __init__(self, url: SecretStr, *, retry_seconds: float = _SECONDS) -> None:
        self._url = url
        self._retry_seconds = retry_seconds

    def post(self, text: str) -> None:
        """Post a text.

        Raises:
            ServiceUnavailable: it could not be posted for as long as it was tried.
            AlarmRefused: the answer was a 4xx that trying again won't change.
            EtlError: it can't be posted: TLS failed, or the answer was a redirect.
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
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            refused = AlarmRefused if status >= HTTPStatus.BAD_REQUEST else EtlError
            raise refused(f"The webhook refused the alarm ({status}). Check ETL_ALARM_WEBHOOK_URL")


def one_message(texts: Sequence[str]) -> str:
    """Return the texts below each other, shortened to what a message may be.

    Short ones stay whole; the others have what is left in equal shares.
    """
    room = MESSAGE_CHARACTERS - len(texts)
    shortened = dict[int, str]()
    by_length = sorted(enumerate(texts), key=lambda numbered: len(numbered[1]))
    for left, (number, text) in zip(range(len(texts), 0, -1), by_length, strict=True):
        shortened[number] = _shortened(text, room // left)
        room -= len(shortened[number])
    return "\n".join(shortened[number] for number in range(len(texts)))


def _shortened(text: str, size: int) -> str:
    """Return a text in so many characters: its first lines, and how many more there are."""
    if len(text) <= size:
        return text
    lines = text.splitlines()
    for kept in range(len(lines) - 1, 0, -1):
        left_out = lines[kept:]
        # Of days that are missing there is one a line.
        what = "days" if all(_OF_A_DAY.match(line) for line in left_out) else "lines"
        short = "\n".join([*lines[:kept], f"… and {len(left_out):,} more {what}"])
        if len(short) <= size:
            return short
    return f"{text[: size - 2]} …" if size > 2 else ""  # noqa: PLR2004  # what is put after it
