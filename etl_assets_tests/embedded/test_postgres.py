"""The embedded PostgreSQL: its user, its data after a kill, and the processes that are left."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from etl_assets.embedded import postgres as postgres_module
from etl_assets.embedded.folder import FolderInUse
from etl_assets.embedded.postgres import EmbeddedPostgres
from etl_assets_tests.support.processes import (
    LOOPBACK_IN_PROC,
    kill,
    listening_addresses,
    program,
    supervisor_and_server,
    wait_until_nothing_runs,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about being root")

HOLD = """
import sys
from pathlib import Path
import psycopg
from etl_assets.embedded.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    connection = psycopg.connect(postgres.url("postgres"), autocommit=True)
    connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
    connection.execute("INSERT INTO kept VALUES ('before')")
    try:
        print("ready", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        connection.execute("INSERT INTO kept VALUES ('after Ctrl-C')")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that all users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, for tests that do not need to create them."""
    folder = tmp_path_factory.mktemp("made")
    with EmbeddedPostgres(folder):
        return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the folder with data, below a folder that only its owner may enter."""
    return Path(shutil.copytree(made, tmp_path / "postgres"))


def words(postgres: EmbeddedPostgres) -> list[str]:
    with psycopg.connect(postgres.url("postgres")) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM kept")]


def test_a_database_is_utf8_in_c_order_and_survives_a_restart(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    with postgres:
        postgres.create_database("warehouse")
        with psycopg.connect(postgres.url("warehouse")) as connection:
            connection.execute("CREATE TABLE город AS SELECT 'Ярославль' AS name")
            settings = connection.execute(
                "SELECT datcollate, pg_encoding_to_char(encoding), current_setting('fsync') "
                "FROM pg_database WHERE datname = 'warehouse'"
            ).fetchone()
            assert settings == ("C", "UTF8", "on")
    with postgres:
        postgres.create_database("warehouse")
        with psycopg.connect(postgres.url("warehouse")) as connection:
            assert connection.execute("SELECT name FROM город").fetchone() == ("Ярославль",)


def test_it_listens_on_the_loopback_address_only_and_requires_the_password(
    folder: Path,
) -> None:
    with EmbeddedPostgres(folder) as postgres:
        _, server = supervisor_and_server(folder / "postgres.lock")
        assert listening_addresses(server) == {LOOPBACK_IN_PROC}
        secret = folder / "password"
        assert secret.stat().st_mode & 0o777 == 0o600
        wrong = postgres.url("postgres").replace(secret.read_text(), "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


def test_a_second_process_gets_an_error_that_names_the_first(folder: Path) -> None:
    with program(HOLD, folder) as holder:
        with pytest.raises(FolderInUse, match=rf"process {holder.pid} is using it"):
            EmbeddedPostgres(folder).start()
        with pytest.raises(FolderInUse):
            EmbeddedPostgres(folder).delete()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_after_a_kill_no_process_is_left_and_the_data_are_complete(
    folder: Path, end: signal.Signals
) -> None:
    with program(HOLD, folder) as holder:
        holder.send_signal(end)
        holder.wait()
    wait_until_nothing_runs(folder / "postgres.lock")
    with EmbeddedPostgres(folder) as postgres:
        assert words(postgres) == ["before"]


def test_a_start_right_after_a_kill_waits_for_the_server_that_is_shutting_down(
    folder: Path,
) -> None:
    with program(HOLD, folder) as holder:
        kill(holder)
    with EmbeddedPostgres(folder) as postgres:
        assert words(postgres) == ["before"]


def test_an_orphan_whose_supervisor_was_killed_too_is_ended_by_the_next_start(
    folder: Path,
) -> None:
    with program(HOLD, folder) as holder:
        supervisor, server = supervisor_and_server(folder / "postgres.lock")
        os.kill(supervisor, signal.SIGKILL)
        kill(holder)
        os.kill(server, 0)
    with EmbeddedPostgres(folder) as postgres:
        assert words(postgres) == ["before"]


def test_a_pid_file_with_the_number_of_another_process_does_not_block_a_start(
    folder: Path,
) -> None:
    with EmbeddedPostgres(folder):
        pid_file = next(folder.rglob("postmaster.pid"))
        stale = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *stale[1:], ""]))
    pid_file.chmod(0o644)
    with EmbeddedPostgres(folder) as postgres:
        psycopg.connect(postgres.url("postgres")).close()


def test_ctrl_c_interrupts_the_program_and_not_the_server(folder: Path) -> None:
    with program(HOLD, folder) as holder:
        os.killpg(holder.pid, signal.SIGINT)
        holder.wait()
    with EmbeddedPostgres(folder) as postgres:
        assert words(postgres) == ["before", "after Ctrl-C"]


def test_an_initdb_that_was_killed_is_run_again(tmp_path: Path) -> None:
    half = tmp_path / "initdb" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as postgres:
        psycopg.connect(postgres.url("postgres")).close()


@as_root
def test_root_runs_it_as_nobody(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder) as postgres:
        assert (open_folder / "data").owner() == "nobody"
        psycopg.connect(postgres.url("postgres")).close()
    postgres.delete()
    assert not open_folder.exists()
    open_folder.mkdir()  # the fixture removes it


@as_root
def test_root_runs_it_in_a_user_namespace_if_nobody_may_not_enter_the_folder(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "postgres") as postgres:
        assert (closed / "postgres" / "data").owner() == "root"
        psycopg.connect(postgres.url("postgres")).close()
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_data_created_in_a_closed_folder_can_be_used_after_it_was_opened(
    made: Path, open_folder: Path
) -> None:
    opened = Path(shutil.copytree(made, open_folder / "postgres"))
    assert (opened / "data").owner() == "root"
    opened.chmod(0o755)
    with EmbeddedPostgres(opened) as postgres:
        assert (opened / "data").owner() == "nobody"
        psycopg.connect(postgres.url("postgres")).close()


@as_root
def test_without_user_namespaces_root_puts_programs_and_data_elsewhere(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (programs / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(postgres_module, "_REFUGES", open_folder)
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    for _ in range(2):
        with postgres:
            psycopg.connect(postgres.url("postgres")).close()
    refuge = next(open_folder.iterdir())
    assert (refuge / "data").owner() == "nobody"
    postgres.delete()
    assert not refuge.exists()
