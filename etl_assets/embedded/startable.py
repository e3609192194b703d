"""The base class of the embedded servers: it starts and stops them."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Self


class Startable(ABC):
    """A server, or a group of servers, that runs from `start` to `stop`; a context manager."""

    _running: ExitStack | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. If the start fails, nothing is left running.

        Raises:
            FolderInUse: another process uses its folder.
            ServerFailed: a server doesn't start; the message has the last lines of its log.
        """
        with ExitStack() as running:
            self._start(running)
            self._running = running.pop_all()

    def stop(self) -> None:
        """Stop it and leave its files. A second call does nothing."""
        if self._running:
            self._running.close()

    @abstractmethod
    def _start(self, running: ExitStack) -> None:
        """Start it, and register on the stack how to stop each part that was started."""
