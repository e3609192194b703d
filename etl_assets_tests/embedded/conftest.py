"""One S3 server for all tests of this folder, because its start and stop take seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets.embedded.object_store import EmbeddedObjectStore
from etl_assets_tests.support.processes import kill_all, program, wait_until_nothing_runs

PUT = """
import sys
from collections.abc import Iterator
from pathlib import Path
from etl_assets.embedded.object_store import EmbeddedObjectStore
with EmbeddedObjectStore(Path(sys.argv[1])) as store:
    store.create_bucket("orders")
    store.client().put_object(Bucket="orders", Key="a=/day.csv", Body=b"before")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose server was killed by SIGKILL right after it had stored an object."""
    folder = tmp_path_factory.mktemp("object-store")
    with program(PUT, folder) as holder:
        kill_all(holder, folder / "weed.lock")
    wait_until_nothing_runs(folder / "weed.lock")
    return folder


@pytest.fixture(scope="session")
def store(store_folder: Path) -> Iterator[EmbeddedObjectStore]:
    with EmbeddedObjectStore(store_folder) as store:
        yield store
