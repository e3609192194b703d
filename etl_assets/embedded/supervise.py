"""The supervisor: a small program between us and a server that ends the server when we end.

`supervised` runs it as a script. It must start in milliseconds, so it uses the standard library
only and imports nothing of this package. It reads a pipe whose other end only we hold. A byte or
the end of the pipe means stop, so `stop()`, Ctrl-C, SIGTERM and `kill -9` all lead to the same
orderly shutdown.

`setpriv --pdeathsig` would be shorter, but it has three faults. It sends its signal when the
*thread* that started the server ends, and we start servers in short-lived threads. It sends no
second signal to a server that ignores the first. It exists on Linux only.

The argument is a JSON object with `command`, `stop` and `lock`. `stop` is a list of pairs: a
signal's name and the seconds to wait for its effect. SIGKILL follows the last one and ends all
processes that the server has started too. `lock` is a descriptor that the server inherits: the lock
is free when the server's last process has ended.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any

_PIPE = 0


def _stop_when_asked(server: subprocess.Popen[bytes], steps: list[tuple[str, float]]) -> None:
    os.read(_PIPE, 1)
    for name, patience in steps:
        server.send_signal(signal.Signals[name])
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return
    # This kills the server's own children too, which could wait for ever for it, and ourselves.
    os.killpg(0, signal.SIGKILL)


def _do_nothing(_number: int, _frame: FrameType | None) -> None: ...


def main() -> int:
    """Run the command until it ends or we are asked to stop it; return its exit code."""
    # A service manager signals all processes at once, but this one must outlive the server. The
    # handlers do nothing; SIG_IGN would be inherited by the server.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _do_nothing)
    options: dict[str, Any] = json.loads(sys.argv[1])
    lock: int = options["lock"]
    server = subprocess.Popen(  # noqa: S603  # our own command
        options["command"], stdin=subprocess.DEVNULL, cwd="/", pass_fds=[lock]
    )
    os.pwrite(lock, f"{os.getpid()} {server.pid}".encode(), 0)
    threading.Thread(target=_stop_when_asked, args=(server, options["stop"]), daemon=True).start()
    return abs(server.wait())


if __name__ == "__main__":
    sys.exit(main())
