"""What the embedded parts, and all of them together, have in common: they start and stop."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Self


class Startable(ABC):
    """Something that runs from `start` to `stop`; usable as a context manager."""

    _running: ExitStack | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers; of a start that fails nothing is left running.

        Raises:
            FolderInUse: another process has started what lives in its folder.
            ServerFailed: a server doesn't start; the message has the last lines of its log.
        """
        with ExitStack() as running:
            self._start(running)
            self._running = running.pop_all()

    def stop(self) -> None:
        """Stop it; what it keeps stays, and a second call does nothing."""
        if self._running:
            self._running.close()

    @abstractmethod
    def _start(self, running: ExitStack) -> None:
        """Start it, and put onto the stack how what was started is stopped."""
