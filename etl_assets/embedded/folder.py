"""What is kept in a server's folder besides its data: locks, secrets, and who they belong to.

The locks are `flock`s. They vanish with the processes that hold them, however those end, so there
is no stale lock to clean up; and a child inherits one along with its descriptor, so that a lock can
mean "some process of this server still lives".
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
    """Somebody else holds a lock; `note` is what they wrote into it."""

    def __init__(self, path: Path, note: str) -> None:
        super().__init__(f"{path} is locked ({note})")
        self.note = note


def lock(path: Path) -> int:
    """Lock the file, made if missing, and return its descriptor; closing that unlocks it.

    Raises:
        Locked: somebody else holds it.
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
    """Be the only process that uses the folder, which is made if it is missing.

    Raises:
        FolderInUse: another process does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = lock(folder / "owner.lock")
    except Locked as locked:
        message = (
            f"Can't start in {folder}: process {locked.note} is using it. "
            "Stop that one first, or choose another folder."
        )
        raise FolderInUse(message) from None
    try:
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def kept_secret(path: Path) -> str:
    """Return the secret kept in the file; the first call makes one up, readable by us alone.

    The whole secret appears at once: a process killed in between leaves no half of one.
    """
    if not path.exists():
        keep_secret(path, secrets.token_urlsafe(24))
    return path.read_text()


def keep_secret(path: Path, secret: str) -> None:
    """Keep a secret that is known already in the file, in place of what it may hold."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    unfinished.rename(path)
