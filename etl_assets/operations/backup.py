"""Backups of the warehouse and of Dagster's storage, by PostgreSQL's own pg_dump and pg_restore.

A dump has the state of the database at one moment, even while days are loaded. It has no owners and
no rights: the user that restores becomes the owner, and `migrate` grants the rights.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from pydantic import SecretStr

from etl_assets.errors import EtlError
from etl_assets.sql import statement

_DIALECT = "+psycopg2"
_UNFINISHED = ".unfinished"


def dump(url: SecretStr, file: Path) -> None:
    """Write the whole database to the file. A dump that fails leaves no file.

    Raises:
        EtlError: the database can't be dumped, or the file can't be written.
    """
    unfinished = file.with_name(file.name + _UNFINISHED)
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        # The dump has names of people.
        unfinished.touch(mode=0o600)
        # The environment, the address or the role may set an encoding that lacks letters.
        options = ("--format=custom", "--encoding=UTF8", f"--file={unfinished}")
        _run(["pg_dump", "--no-password", *options], url, file)
        unfinished.rename(file)
    except OSError as error:
        raise EtlError(f"{file} can't be written: {error.strerror}. Give another folder") from error
    finally:
        unfinished.unlink(missing_ok=True)


def check(url: SecretStr, file: Path) -> None:
    """Check that the file can be restored into the database.

    Raises:
        EtlError: the file is missing, or the database is not empty or can't be opened.
    """
    if not file.is_file():
        raise EtlError(f"There is no {file}. Give a folder that `etl-assets backup` has written")
    if tables := _tables(url, file):
        raise EtlError(
            f"The database for {file.name} is not empty (it has {tables} tables), so it was not "
            "changed. Create an empty database and use its address"
        )


def restore(url: SecretStr, file: Path) -> None:
    """Restore the file into an empty database. A failure leaves the database empty.

    Raises:
        EtlError: as for `check`, or pg_restore failed.
    """
    check(url, file)
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    _run(["pg_restore", "--no-password", *options, "--dbname=", str(file)], url, file)


def _tables(url: SecretStr, file: Path) -> int:
    try:
        with psycopg.connect(_plain(url), connect_timeout=10) as connection:
            row = connection.execute(statement("operations/count_tables")).fetchone()
    except psycopg.Error as error:
        message = " ".join(str(error).split())
        raise EtlError(
            f"The database for {file.name} can't be opened: {message}. Check its address in the "
            "environment"
        ) from None
    return row[0] if row else 0


def _run(command: Sequence[str], url: SecretStr, file: Path) -> None:
    """Run a program of PostgreSQL on the database. The password is not among its arguments."""
    names = {option.keyword.decode(): option.envvar for option in Conninfo.get_defaults()}
    given = {
        name.decode(): str(value)
        for keyword, value in conninfo_to_dict(_plain(url)).items()
        if (name := names.get(keyword))
    }
    try:
        done = subprocess.run(  # noqa: S603  # no shell, and no argument from outside
            command, env=os.environ | given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise EtlError(
            f"{command[0]} is not installed. Install PostgreSQL's client programs, of the server's "
            "version or newer (on Debian: postgresql-client)"
        ) from error
    if done.returncode:
        # Only the program's own lines: the others, such as DETAIL, quote rows.
        lines = [line for line in done.stderr.splitlines() if line.startswith(f"{command[0]}: ")]
        why = " ".join(lines) or f"exit code {done.returncode}"
        raise EtlError(f"{command[0]} of {file.name} failed: {why}")


def _plain(url: SecretStr) -> str:
    return url.get_secret_value().replace(_DIALECT, "", 1)
