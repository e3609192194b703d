"""The webhook that alarms are posted to, such as a chat's incoming webhook."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from pydantic import SecretStr

from etl_assets.clients.retries import Transient, is_transient, retried_for
from etl_assets.clients.tls import tls_fault
from etl_assets.errors import AlarmRefused, EtlError

_SECONDS = 10.0
"""How long to try a post and to wait for an answer: a sensor's tick may take 60 s in all."""

MESSAGE_CHARACTERS = 4_000
"""The longest message: Slack advises against more, and older Mattermost servers reject more."""

_NOTE_CHARACTERS = 30
"""How long the last line of a shortened text may be: how many lines are left out."""

_OF_A_DAY = re.compile(r"\d{4}-\d\d-\d\d: ")


class Webhook:
    """An address that takes `{"text": …}` by POST, like incoming webhooks of Slack and Mattermost.

    Microsoft Teams no longer accepts this form. The address is a secret, because it is enough to
    post. No message quotes it.
    """

    def __init__(self, url: SecretStr, *, retry_seconds: float = _SECONDS) -> None:
        self._url = url
        self._retry_seconds = retry_seconds

    def post(self, text: str) -> None:
        """Post a text.

        Raises:
            ServiceUnavailable: all tries failed.
            AlarmRefused: the answer was a 4xx, which another try would not change.
            EtlError: TLS failed, or the answer was a redirect.
        """
        retried_for(self._retry_seconds, self._post_once, text)

    def _post_once(self, text: str) -> None:
        import requests

        try:
            response = requests.post(
                self._url.get_secret_value(),
                json={"text": text},
                timeout=_SECONDS,
                # A redirect would send the text to another host.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Not chained: the message quotes the address.
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
    """Return the texts, one per line, shortened to at most `MESSAGE_CHARACTERS`.

    Short texts stay whole; the others share the remaining space equally.
    """
    room = MESSAGE_CHARACTERS - len(texts)
    shortened = dict[int, str]()
    by_length = sorted(enumerate(texts), key=lambda numbered: len(numbered[1]))
    for left, (number, text) in zip(range(len(texts), 0, -1), by_length, strict=True):
        shortened[number] = _shortened(text, room // left)
        room -= len(shortened[number])
    return "\n".join(shortened[number] for number in range(len(texts)))


def _shortened(text: str, size: int) -> str:
    """Return a text in at most `size` characters: its first lines, and the number of the others."""
    if len(text) <= size:
        return text
    lines = text.splitlines()
    kept = 0
    length = _NOTE_CHARACTERS
    while (length := length + len(lines[kept]) + 1) <= size:
        kept += 1
    if not kept:
        return f"{text[: size - 2]} …" if size > 2 else ""  # noqa: PLR2004  # the length of " …"
    left_out = lines[kept:]
    # A list of missing days has one day per line.
    what = "days" if all(_OF_A_DAY.match(line) for line in left_out) else "lines"
    return "\n".join([*lines[:kept], f"… and {len(left_out):,} more {what}"])
