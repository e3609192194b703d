"""Runs a server as a child process that cannot outlive us.

The program `supervise` runs between us and the server, in a session of its own. So Ctrl-C in the
terminal reaches us and not the servers: they run on until we have finished and stop them.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_fixed,
)

from etl_assets.embedded import supervise
from etl_assets.embedded.folder import Locked, lock
from etl_assets.errors import EtlError

StopSteps = Sequence[tuple[signal.Signals, float]]
"""Signals to send in turn, each with the seconds to wait for its effect.

SIGKILL follows them and ends all processes that the server has started too.
"""

_LAST_LINES = 10
_SECONDS_TO_DIE = 5.0


class ServerFailed(EtlError):
    """An embedded server ended by itself, or did not become ready."""


class Supervised:
    """A running server; its output goes to `NAME.log` in the folder.

    The server's own processes hold `NAME.lock`. A start waits until the processes of an earlier run
    have ended. Usually their supervisor is just stopping them, because their parent was killed. If
    their supervisor was killed too, the start stops them.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        stop: StopSteps,
        environment: Mapping[str, str] | None = None,
        leftovers: Iterable[Path] = (),
    ) -> Self:
        """Start the command in our environment, with the variables of `environment` added.

        Args:
            name: what the server is called in messages, and its log and lock.
            command: the program and its arguments.
            folder: where the log and the lock are.
            stop: how the server is asked to end.
            environment: variables added to our own.
            leftovers: files of a killed server that would block its next start, such as a pid file
                whose number now belongs to another process. They are deleted after the earlier run
                has ended.

        Raises:
            ServerFailed: processes of an earlier run can't be ended.
        """
        descriptor = lock_when_free(name, folder, stop)
        options = {"command": list(command), "stop": [(s.name, t) for s, t in stop]}
        log = folder / f"{name}.log"
        try:
            for path in leftovers:
                path.unlink(missing_ok=True)
            with log.open("wb") as output:
                process = subprocess.Popen(  # noqa: S603  # our own command
                    [
                        *(sys.executable, "-I", "-S", supervise.__file__),
                        json.dumps(options | {"lock": descriptor}),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    pass_fds=[descriptor],
                    start_new_session=True,
                )
        finally:
            os.close(descriptor)
        return cls(name, process, log)

    def wait(self) -> int:
        """Wait for the command to end by itself; return its exit code."""
        code = self._process.wait()
        self.stop()
        return code

    def raise_if_ended(self) -> None:
        """Raise an error if the server has ended.

        Raises:
            ServerFailed: it has ended; the message has the last lines of its log.
        """
        if self._process.poll() is not None:
            raise self.failure("ended by itself")

    def wait_until_ready(
        self,
        is_ready: Callable[[], bool],
        *,
        seconds: float,
        not_yet: tuple[type[Exception], ...],
    ) -> None:
        """Wait until the server is ready. If it does not become ready, stop it.

        Args:
            is_ready: asks the server whether it is ready.
            seconds: how long to wait.
            not_yet: the errors that `is_ready` raises while the server does not answer yet.

        Raises:
            ServerFailed: it has ended or the time is up; the message has the last lines of its log.
        """

        def asked() -> bool:
            self.raise_if_ended()
            return is_ready()

        attempts = Retrying(
            retry=retry_if_exception_type(not_yet) | retry_if_result(lambda ready: not ready),
            stop=stop_after_delay(seconds),
            wait=wait_fixed(0.05),
        )
        try:
            attempts(asked)
        except RetryError as error:
            # Read the log before the stop, which adds lines to it.
            failure = self.failure(f"was not ready after {seconds:.0f} s")
            self.stop()
            raise failure from error
        except BaseException:
            self.stop()
            raise

    def failure(self, what: str) -> ServerFailed:
        """Return the error that says what happened and has the last lines of the log."""
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return ServerFailed("\n".join([f"The embedded {self._name} {what}; {self._log}:", *lines]))

    def stop(self) -> None:
        """Stop the server and wait until it has ended. A second call does nothing."""
        pipe = self._process.stdin
        if pipe and not pipe.closed:
            # A forked child of ours can still hold the pipe open, so closing it is not enough.
            with suppress(BrokenPipeError):
                os.write(pipe.fileno(), b"\n")
            pipe.close()
        self._process.wait()


def start_on_a_free_port(start: Callable[[], Supervised]) -> Supervised:
    """Start a server; try again if that fails, for another process can have taken its port.

    Raises:
        ServerFailed: the fifth try failed.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(ServerFailed),
        stop=stop_after_attempt(5),
        wait=wait_exponential(multiplier=0.25, max=2),
        reraise=True,
    )
    return attempts(start)


def lock_when_free(name: str, folder: Path, stop: StopSteps) -> int:
    """Wait until the processes of an earlier run have ended, lock the file, return its descriptor.

    A living supervisor ends them. If it was killed, they are ended here.

    Raises:
        ServerFailed: they don't end.
    """
    path = folder / f"{name}.lock"
    with suppress(Locked):
        return lock(path)
    supervised_stop = sum(seconds for _, seconds in stop) + _SECONDS_TO_DIE
    with suppress(Locked):
        return _lock_within(supervised_stop, path, while_supervised=True)
    for step, seconds in [*stop, (signal.SIGKILL, _SECONDS_TO_DIE)]:
        with suppress(ProcessLookupError):
            # While the lock is held the server lives, so no other process has this number.
            server = _holders(path)[1]
            if step is signal.SIGKILL:
                os.killpg(os.getpgid(server), step)
            else:
                os.kill(server, step)
        with suppress(Locked):
            return _lock_within(seconds, path)
    message = (
        f"Can't start the embedded {name}: processes of an earlier run hold {path} and don't end "
        f"(supervisor, server: {_holders(path)}). End them, then start again."
    )
    raise ServerFailed(message)


def _lock_within(seconds: float, path: Path, *, while_supervised: bool = False) -> int:
    """Lock the file as soon as it is free, within so many seconds.

    With `while_supervised`, give up as soon as no supervisor lives.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(Locked)
        & retry_if_exception(lambda _: not while_supervised or _lives(_holders(path)[0])),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    return attempts(lock, path)


def _holders(path: Path) -> tuple[int, int]:
    """Return the process ids of the supervisor and of the server, which `supervise` wrote."""
    supervisor, server = path.read_text().split()
    return int(supervisor), int(server)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
