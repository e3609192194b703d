"""A service's output as JSON objects, one a line, whatever it prints."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

RUN = [sys.executable, "-m", "etl_assets.instance.json_logs"]


def logged(code: str, *, exit_code: int = 0, log_format: str = "json") -> list[dict[str, Any]]:
    """Run Python code as a service; return what it has logged."""
    service = subprocess.run(
        [*RUN, sys.executable, "-u", "-c", code],
        env={**os.environ, "LOG_FORMAT": log_format},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert service.returncode == exit_code
    return [json.loads(line) for line in service.stdout.splitlines()]


def test_a_record_of_dagsters_keeps_its_fields_and_the_lines_below_it() -> None:
    code = r"""
print("\033[32m2026-11-24 23:37:26 +0300\033[0m - dagster - ERROR - боль\n\n  Stack Trace:")
print('2026-11-24 23:37:27 +0300 - dagster.daemon - INFO - "next"')
"""
    first, second = logged(code)
    assert first == {
        "timestamp": "2026-11-24T20:37:26+00:00",
        "level": "error",
        "logger": "dagster",
        "event": "боль\n\n  Stack Trace:",
    }
    assert (second["logger"], second["event"]) == ("dagster.daemon", '"next"')


def test_what_is_json_passes_and_a_traceback_is_one_event() -> None:
    code = """print('{"event": "a", "level": "info"}'); print("{no json}"); raise ValueError("b")"""
    first, second = logged(code, exit_code=1)
    assert first == {"event": "a", "level": "info"}
    assert second["level"] == "error"
    assert second["event"].startswith("{no json}\nTraceback (most recent call last):")
    assert second["event"].endswith("ValueError: b")


def test_what_comes_later_is_an_event_of_its_own_with_or_without_a_new_line() -> None:
    code = r"""import sys, time; print("a"); time.sleep(0.5); sys.stderr.write("b")"""
    assert [event["event"] for event in logged(code)] == ["a", "b"]


def test_a_service_is_told_to_stop_and_its_exit_code_is_ours() -> None:
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    code += "print('up')\ntime.sleep(60)"
    for log_format in ("json", "colored"):
        with subprocess.Popen(
            [*RUN, sys.executable, "-u", "-c", code],
            env={**os.environ, "LOG_FORMAT": log_format},
            stdout=subprocess.PIPE,
        ) as service:
            assert service.stdout
            assert b"up" in service.stdout.readline()
            service.send_signal(signal.SIGTERM)
            assert service.wait() == 7
