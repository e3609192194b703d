"""The locks and secrets in a server's folder.

The locks are `flock`s. The system releases them when the processes that hold them end, even by
`kill -9`, so no stale lock remains. A child process inherits a lock with its descriptor, so a lock
can mean "some process of this server still lives".
"""

import fcntl
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from etl_assets.errors import EtlError


class FolderInUse(EtlError):
    """Another living process uses the folder."""


class Locked(Exception):
    """Another process holds a lock; `note` is the text that it wrote into the file."""

    def __init__(self, path: Path, note: str) -> None:
        super().__init__(f"{path} is locked ({note})")
        self.note = note


def lock(path: Path) -> int:
    """Lock the file and return its descriptor; closing the descriptor unlocks the file.

    A missing file is created.

    Raises:
        Locked: another process holds the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Locked(path, note) from None
    os.truncate(descriptor, 0)
    return descriptor


@contextmanager
def owned(folder: Path) -> Generator[None]:
    """Reserve the folder for this process; a missing folder is created.

    Raises:
        FolderInUse: another process uses it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = lock(folder / "owner.lock")
    except Locked as locked:
        message = (
            f"Can't start in {folder}: process {locked.note} is using it. "
            "Stop that process first, or choose another folder."
        )
        raise FolderInUse(message) from None
    try:
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def kept_secret(path: Path) -> str:
    """Return the secret stored in the file; the first call generates it.

    Only this user can read the file. The file appears complete: a process that is killed meanwhile
    leaves no partial secret.
    """
    if not path.exists():
        keep_secret(path, secrets.token_urlsafe(24))
    return path.read_text()


def keep_secret(path: Path, secret: str) -> None:
    """Store a given secret in the file, replacing any earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    unfinished.rename(path)
