"""Run a service. With LOG_FORMAT=json, print its output as JSON objects, one a line.

    python -m etl_assets.instance.json_logs COMMAND…

The option --log-format of Dagster's servers does not cover the logs of runs, warnings, tracebacks
and the output of other libraries. This module prints a line that is a JSON object as it is, and
turns text into an object with the same fields: `timestamp`, `level`, `logger` if it is known, and
`event`. Lines that follow without a pause and don't begin a new record, such as a traceback, belong
to the same event.
"""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType

_AT_ONCE_SECONDS = 0.2
_CHUNK = 65536
_KILLED = 128
"""The exit code of a process that a signal killed is this plus the signal's number."""

_RECORD = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})"
    r" - (?P<logger>\S+) - (?P<level>[A-Z]+) - (?P<event>.*)",
    re.DOTALL,
)
"""Dagster's text format of a log record."""

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def main(command: list[str]) -> int:
    """Run the command and return its exit code. Without JSON, replace this process by it."""
    if os.environ.get("LOG_FORMAT") != "json":
        os.execvp(command[0], command)  # noqa: S606  # no shell
    output, theirs = os.pipe()
    service = subprocess.Popen(command, stdout=theirs, stderr=theirs)  # noqa: S603  # our caller's command
    os.close(theirs)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        service.send_signal(number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(each, pass_on)
    for event in _events(output):
        print(event, flush=True)  # noqa: T201  # the log
    code = service.wait()
    return code if code >= 0 else _KILLED - code


def _events(output: int) -> Iterator[str]:
    """Yield the output as lines of JSON, until every writer has closed it."""
    event: list[str] = []
    for line in _lines(output):
        if line is None or _is_object(line) or _RECORD.match(line):
            if event:
                yield _as_object("\n".join(event))
            event = []
        if line is not None:
            if _is_object(line):
                yield line
            else:
                event.append(line)


def _lines(output: int) -> Iterator[str | None]:
    """Yield the lines of the output, and None after a pause and at the end."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            if not selector.select(_AT_ONCE_SECONDS):
                yield None
                selector.select()
            chunk = os.read(output, _CHUNK)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (_text(line) for line in lines)
            if not chunk:
                break
    if rest:
        yield _text(rest)
    yield None


def _text(line: bytes) -> str:
    return _COLORS.sub("", line.decode(errors="replace")).rstrip("\r")


def _is_object(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _as_object(text: str) -> str:
    now = datetime.now(UTC)
    if record := _RECORD.match(text):
        fields = record.groupdict()
        at = datetime.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
        fields |= {"timestamp": at.isoformat(), "level": fields["level"].lower()}
    else:
        level = "error" if "Traceback (most recent call last)" in text else "info"
        fields = {"timestamp": now.isoformat(), "level": level, "event": text}
    return json.dumps(fields, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
