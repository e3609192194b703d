"""Loads an S3 object into staging: compared with the server's COPY and with peers; its memory."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.measure import (
    Figure,
    Pair,
    absolute,
    at_least,
    at_most,
    in_turn,
    side_by_side,
    stopwatch,
)
from benchmarks.order_files import DAY, write_orders
from benchmarks.services import services
from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.services import WAREHOUSE, EmbeddedServices
from etl_assets.settings import ObjectStoreSettings, WarehouseSettings
from etl_assets.staging.load import stage

_HERE = Path(__file__).parent
_BUCKET = "benchmarks"
_SHARES = {"77 % duplicates": 0.77, "no duplicates": 0.0}
# Each peer, and how many times faster we should be.
_PEERS = {
    "to_sql": ("pandas and to_sql", 10),
    "execute_values": ("pandas and execute_values", 5),
    "dlt": ("dlt, an Arrow table that replaces another", 3),
}


class Files:
    """Order logs in an object store, and the warehouse that they are loaded into."""

    def __init__(self, parts: EmbeddedServices) -> None:
        self._parts = parts
        self._client = parts.object_store.client()
        parts.object_store.create_bucket(_BUCKET)
        self._warehouse = Warehouse(WarehouseSettings.read().url)
        with psycopg.connect(self.url) as connection:
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        # A folder that the server can read.
        self._server_file = Path(folder) / "benchmark.csv"

    @property
    def url(self) -> str:
        """The warehouse's URL for its owner."""
        return self._parts.postgres.url(WAREHOUSE)

    def put(self, key: str, rows: int, duplicates: float) -> None:
        """Put a file into the store, and into the folder that the server can read."""
        write_orders(self._server_file, rows, duplicates)
        self._server_file.chmod(0o644)
        self._client.upload_file(str(self._server_file), _BUCKET, key)

    def prepare(self, key: str) -> None:
        """Empty the tables, and record the file as the object of the day."""
        found = ObjectStore(ObjectStoreSettings.read()).find(f"s3://{_BUCKET}/{key}")
        self.execute("TRUNCATE staging.user_order_log, staging.rejected_row, etl.staged_day")
        self._warehouse.execute(
            "source/record_raw_file",
            {
                "partition_day": DAY,
                "uri": found.uri,
                "etag": found.etag,
                "size": found.size,
                "report_id": "report",
                "increment_id": "increment",
            },
        )
        self.execute("CHECKPOINT")

    def load(self, key: str, _number: int) -> float:
        """Load the file, and return the seconds."""
        self.prepare(key)
        with stopwatch() as seconds:
            load_once()
        return seconds()

    def copy(self, _number: int) -> float:
        """COPY the last file on the server into a table without keys; return the seconds."""
        self.execute("DROP TABLE IF EXISTS bare")
        self.execute(
            "CREATE TABLE bare (id bigint, uniq_id text, date_time timestamp, city_id bigint,"
            " city_name text, customer_id bigint, first_name text, last_name text, item_id bigint,"
            " item_name text, quantity bigint, payment_amount numeric(14, 2), status text)"
        )
        self.execute("CHECKPOINT")
        with stopwatch() as seconds:
            self.execute(f"COPY bare FROM '{self._server_file}' (FORMAT csv, HEADER)")
        return seconds()

    def execute(self, statement: str) -> None:
        """Execute a statement as the owner."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


def load_once() -> None:
    """Load the day from the recorded file."""
    stage(
        Warehouse(WarehouseSettings.read().url),
        ObjectStore(ObjectStoreSettings.read()),
        [DAY],
        run_id="benchmark",
        only_changed=False,
        max_rejected_share=0,
    )


def beside_copy(files: Files) -> Iterator[Figure]:
    """Compare a load with the server's own COPY of the same bytes."""
    for (name, share), limit in zip(_SHARES.items(), (0.8, 1.5), strict=True):
        files.put("million", 1_000_000, share)
        pair = side_by_side(partial(files.load, "million"), files.copy)
        yield pair.ratio(
            f"from S3 to staging, 1,000,000 rows, {name}",
            "the server's own COPY of the file into a bare table",
            at_most(limit),
        )


def beside_peers(files: Files, folder: Path, *, rounds: int) -> Iterator[Figure]:
    """Compare a load with the peers."""
    python = _installed_peers(folder)
    files.put("peers", 1_000_000, 0.77)

    def load_with(peer: str) -> Callable[[int], float]:
        def load(_number: int) -> float:
            files.execute("DROP TABLE IF EXISTS peer")
            files.execute("CREATE TABLE peer (LIKE staging.user_order_log INCLUDING ALL)")
            files.execute("CHECKPOINT")
            of_peer = {
                "PEER_URL": files.url,
                "PEER_BUCKET": _BUCKET,
                "PEER_KEY": "peers",
                "PEER_FOLDER": str(folder / "dlt"),
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            }
            return float(_run(str(python), str(_HERE / "peers.py"), peer, **of_peer).split()[-1])

        return load

    ours, *theirs = in_turn(
        partial(files.load, "peers"), *(load_with(peer) for peer in _PEERS), rounds=rounds
    )
    for (what, times), seconds in zip(_PEERS.values(), theirs, strict=True):
        yield Pair(seconds, ours).ratio(
            f"{what}, 1,000,000 rows, 77 % duplicates", "from S3 to staging", at_least(times)
        )


def memory(files: Files, rows: int) -> Iterator[Figure]:
    """Measure the memory of a process that only loads a file."""
    for name, share in _SHARES.items():
        files.put("large", rows, share)
        files.prepare("large")
        peak = float(_run(sys.executable, "-m", "benchmarks.staging").split()[-1])
        yield absolute(f"memory of a load, {rows:,} rows, {name}", at_most(1.5), "GB", [peak])


def measure(folder: Path, *, big: bool) -> Iterator[Figure]:
    """Measure all of it."""
    with services(folder / "services") as parts:
        files = Files(parts)
        yield from beside_copy(files)
        yield from beside_peers(files, folder, rounds=3 if big else 1)
        yield from memory(files, 10_000_000 if big else 1_000_000)


def _installed_peers(folder: Path) -> Path:
    """Install the peers into a virtual environment; return its Python."""
    uv = str(Path(sys.executable).parent / "uv")
    venv = folder / "peers"
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(venv))
    python = venv / "bin" / "python"
    requirements = str(_HERE / "peers.txt")
    _run(uv, "pip", "install", "--quiet", "--python", str(python), "-r", requirements)
    return python


def _run(*command: str, **environment: str) -> str:
    """Run a command and return its output."""
    done = subprocess.run(
        command, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _peak() -> float:
    """Return the peak of the resident memory, in GB.

    `ru_maxrss` would not do, because it starts with the parent's value.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(peak) * 1024 / 1e9


if __name__ == "__main__":
    load_once()
    sys.stdout.write(f"{_peak()}\n")
