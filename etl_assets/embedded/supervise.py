"""The small program between us and a server: it ends the server when we end.

Run as a script by `supervised`, with the standard library only; it must start in milliseconds and
imports nothing of this package. It reads a pipe whose other end only we hold. A byte, or the end of
the pipe, means stop: so asking for it, Ctrl-C, SIGTERM and `kill -9` all come down to the same
orderly shutdown. (`setpriv --pdeathsig` would be shorter, but its signal comes when the *thread*
that started the server ends: seen, for servers are started side by side. Nothing follows a signal
that is not obeyed, and only Linux has it.)

Argument: a JSON object with `command`, `stop` (pairs of a signal's name and the seconds to wait for
its effect; SIGKILL follows the last, for all that the server has started too) and `lock` (a
descriptor, which the server inherits: the lock is free when its last process is gone).
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
    # With what it has started, which could wait for ever for a server that is gone; and us.
    os.killpg(0, signal.SIGKILL)


def _do_nothing(_number: int, _frame: FrameType | None) -> None: ...


def main() -> int:
    """Run the command until it ends or we are asked to stop it; return its exit code."""
    # A service manager signals every process at once: ours is to outlive the server. No-ops rather
    # than SIG_IGN, which the server would inherit.
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
