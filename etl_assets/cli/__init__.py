"""The command line: `etl-assets`.

Each module has the commands of one subject: `schema`, `loading`, `reading`, `backups`,
`old_pipeline`, `demo`, `up`. Modules import only click and small modules at the top. A command
imports the rest when it runs, so `--help` answers at once.

Results go to standard output. Progress and errors go to standard error. Exit codes: 0 done, 1
failed, 2 wrong use (including a wrong setting), 130 interrupted.
"""

import errno
import signal
import sys
from threading import Timer, main_thread
from typing import TYPE_CHECKING

import click

from etl_assets.cli.backups import backup, restore
from etl_assets.cli.demo import demo
from etl_assets.cli.loading import backfill, increment, rebuild
from etl_assets.cli.old_pipeline import adopt, compare
from etl_assets.cli.reading import rejected, retention, status
from etl_assets.cli.schema import doctor, migrate
from etl_assets.cli.up import up
from etl_assets.errors import ConfigurationError, EtlError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_FAILED = 1
_WRONG_USE = 2
_INTERRUPTED = 130

_UNUSABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
"""The error numbers of files and folders that the user may not use."""


class _Group(click.Group):
    """Prints the error of a command that fails, and sets the exit code."""

    def invoke(self, ctx: click.Context) -> object:
        # SIGTERM, which service managers send, works like Ctrl-C. SIGINT is set too, because a
        # script's background processes start with SIGINT ignored.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.default_int_handler)
        sys.unraisablehook = _interrupt_again
        try:
            return super().invoke(ctx)
        except EtlError as error:
            click.echo(str(error), err=True)
            ctx.exit(_WRONG_USE if isinstance(error, ConfigurationError) else _FAILED)
        except OSError as error:
            if error.errno not in _UNUSABLE or not error.filename:
                raise
            click.echo(
                f"Can't use {error.filename}: {error.strerror}. What to do: run the command in a "
                "folder that you may write to, or get the rights on this one",
                err=True,
            )
            ctx.exit(_FAILED)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. No day is loaded in part: run the command again", err=True)
            ctx.exit(_INTERRUPTED)


def _interrupt_again(lost: "UnraisableHookArgs", /) -> None:
    """Repeat a Ctrl-C that arrived in a finalizer. Python would only print it and go on."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # From another thread: raised here, it would be lost again.
        Timer(0.01, signal.pthread_kill, (main_thread().ident, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etl_assets")
def main() -> None:
    """Load orders from a report API and S3 files into a PostgreSQL mart, day by day.

    \b
    To try it without any account:
      etl-assets demo
    With your own source and database, configured as in .env.example:
      etl-assets doctor
      etl-assets migrate
      etl-assets backfill
      etl-assets increment
    """


for command in (
    migrate,
    doctor,
    backfill,
    increment,
    rebuild,
    retention,
    status,
    rejected,
    adopt,
    compare,
    demo,
    up,
    backup,
    restore,
):
    main.add_command(command)
