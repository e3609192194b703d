"""Running a server as a child process that cannot outlive us.

Between us and the server sits `supervise`, in a session of its own: Ctrl-C in the terminal reaches
us and not the servers, which go on working until we have wound up and stop them.
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

SIGKILL is the last, for all that the server has started too.
"""

_LAST_LINES = 10
_SECONDS_TO_DIE = 5.0


class ServerFailed(EtlError):
    """An embedded server ended by itself, or did not become ready."""


class Supervised:
    """A running server; its output goes to `NAME.log` in the folder.

    `NAME.lock` is held by the server's own processes. Starting waits for those of an earlier run to
    be gone: usually they are just being stopped, after their parent was killed; orphans (their
    supervisor was killed too) are stopped here.
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
        """Start the command; what is not in `environment` comes from ours.

        Args:
            name: what the server is called in messages, and its log and lock.
            command: the program and its arguments.
            folder: where the log and the lock are.
            stop: how the server is asked to end.
            environment: variables added to our own.
            leftovers: files that a killed server leaves in its own way (a pid file whose number
                meanwhile is another process); deleted once the earlier run is known to be gone.

        Raises:
            ServerFailed: processes of an earlier run can't be made to end.
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
        """Say so if the server has ended.

        Raises:
            ServerFailed: it has; with the last lines of its log.
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
        """Wait until the server is ready; one that does not become so is stopped.

        Args:
            is_ready: asks the server.
            seconds: how long to wait.
            not_yet: what `is_ready` raises where nobody answers yet.

        Raises:
            ServerFailed: it has ended, or the time is up; with the last lines of its log.
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
            # Before it is stopped: the log would end with that.
            failure = self.failure(f"was not ready after {seconds:.0f} s")
            self.stop()
            raise failure from error
        except BaseException:
            self.stop()
            raise

    def failure(self, what: str) -> ServerFailed:
        """Return the error for what happened, with the last lines of the log."""
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return ServerFailed("\n".join([f"The embedded {self._name} {what}; {self._log}:", *lines]))

    def stop(self) -> None:
        """Stop the server and wait until it is gone; a second call does nothing."""
        pipe = self._process.stdin
        if pipe and not pipe.closed:
            # The byte says it even where a fork of ours still holds the pipe open.
            with suppress(BrokenPipeError):
                os.write(pipe.fileno(), b"\n")
            pipe.close()
        self._process.wait()


def start_on_a_free_port(start: Callable[[], Supervised]) -> Supervised:
    """Start a server, and again if that fails: its port can be somebody else's by then.

    Raises:
        ServerFailed: it fails for the fifth time.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(ServerFailed),
        stop=stop_after_attempt(5),
        wait=wait_exponential(multiplier=0.25, max=2),
        reraise=True,
    )
    return attempts(start)


def lock_when_free(name: str, folder: Path, stop: StopSteps) -> int:
    """Lock the file and return its descriptor, once the processes of an earlier run are gone.

    They are waited for while a supervisor is about to end them, and ended where it is gone.

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
            # Nobody but the server can have this number while its lock is held.
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
    """Lock the file as soon as it is free, or give up: at once where no supervisor lives."""
    attempts = Retrying(
        retry=retry_if_exception_type(Locked)
        & retry_if_exception(lambda _: not while_supervised or _lives(_holders(path)[0])),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    return attempts(lock, path)


def _holders(path: Path) -> tuple[int, int]:
    """Return the numbers of the supervisor and of the server, as `supervise` has noted them."""
    supervisor, server = path.read_text().split()
    return int(supervisor), int(server)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
