"""PgBouncer in transaction mode: each transaction may use another session of the server."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from etl_assets.embedded.ports import free_ports
from etl_assets_tests.support.processes import wait_until

_CONFIGURATION = """
[databases]
nowhere = host=127.0.0.1 port=1
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 6
"""


@dataclass
class Pooler:
    """A running PgBouncer."""

    port: int

    def url(self, url: str) -> str:
        """Return the pooler's address for a database of the server."""
        parts = urlsplit(url)
        user, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()


@contextmanager
def pooler(urls: Sequence[str]) -> Generator[Pooler]:
    """Start a pooler for the users in the addresses, which are all of one server."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    servers = [urlsplit(url) for url in urls]
    # It refuses to run as root, so another user must be able to read its files.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        users = "".join(f'"{server.username}" "{server.password}"\n' for server in servers)
        (folder / "users.txt").write_text(users)
        (port,) = free_ports(1)
        text = _CONFIGURATION.format(server_port=servers[0].port, port=port, folder=folder)
        (folder / "pgbouncer.ini").write_text(text)
        process = subprocess.Popen(
            [program, "-q", str(folder / "pgbouncer.ini")], stderr=subprocess.DEVNULL, user=user
        )
        try:
            pooler = Pooler(port)
            wait_until(lambda: _answers(pooler.url(urls[0])))
            yield pooler
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
