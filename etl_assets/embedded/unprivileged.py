"""Running a program as somebody who is not root, since PostgreSQL refuses to run as root.

Root drops to `nobody`. Below a folder that nobody may not enter (/root, a 0700 home), a user
namespace takes over, in which the same processes, with root's files and without root's powers, look
like nobody's. Tried and left out: `nobody` with the capability to pass by permissions; access(2)
ignores it, and PostgreSQL asks access(2) whether its programs are there.
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
    """Who runs a program: what goes before its command, and whose its files have to be (a uid)."""

    prefix: tuple[str, ...]
    uid: int

    def enters(self, path: Path) -> bool:
        """Tell whether a program run like this finds the path."""
        command = [*self.prefix, "test", "-x", str(path)]
        tried = subprocess.run(command, check=False, capture_output=True, cwd="/")  # noqa: S603  # ours
        return tried.returncode == 0

    def own(self, top: Path) -> None:
        """Make the folder, and all below it, the account's."""
        if top.stat().st_uid == self.uid:
            return
        for folder, _, files in os.walk(top):
            for name in ("", *files):
                os.chown(Path(folder, name), self.uid, -1, follow_symlinks=False)


OURSELVES = Account((), os.geteuid())


def accounts() -> Iterator[Account]:
    """Yield the accounts that a program could be run as, the best first."""
    if os.geteuid() != 0:
        yield OURSELVES
        return
    ids = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}")
    if setpriv := shutil.which("setpriv"):
        yield Account((setpriv, *ids, "--clear-groups"), _NOBODY)
    maps = (f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
    if unshare := shutil.which("unshare"):
        yield Account((unshare, "--user", *maps), 0)
