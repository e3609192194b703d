"""Runs a program as another user than root, because PostgreSQL refuses to run as root.

Root switches to the account `nobody`. If `nobody` may not enter the folder (/root, a home of mode
0700), the program runs in a user namespace: there it appears as `nobody`, still owns root's files
and lacks root's powers. Giving `nobody` the capability to ignore permissions does not work:
PostgreSQL looks for its programs by access(2), which ignores that capability.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NOBODY = 65_534


@dataclass(frozen=True)
class Account:
    """An account that runs a program.

    Attributes:
        prefix: the words before the program's command.
        uid: the user id that must own the program's files.
    """

    prefix: tuple[str, ...]
    uid: int

    def enters(self, path: Path) -> bool:
        """Return whether a program that this account runs can reach the path."""
        command = [*self.prefix, "test", "-x", str(path)]
        tried = subprocess.run(command, check=False, capture_output=True, cwd="/")  # noqa: S603  # ours
        return tried.returncode == 0

    def own(self, top: Path) -> None:
        """Make the account the owner of the folder and of all files below it."""
        if top.stat().st_uid == self.uid:
            return
        for folder, _, files in os.walk(top):
            for name in ("", *files):
                os.chown(Path(folder, name), self.uid, -1, follow_symlinks=False)


OURSELVES = Account((), os.geteuid())


def accounts() -> Iterator[Account]:
    """Yield the accounts that could run a program, the best first."""
    if os.geteuid() != 0:
        yield OURSELVES
        return
    ids = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}")
    if setpriv := shutil.which("setpriv"):
        yield Account((setpriv, *ids, "--clear-groups"), _NOBODY)
    maps = (f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
    if unshare := shutil.which("unshare"):
        yield Account((unshare, "--user", *maps), 0)
