"""The demo's source alone, for a network of containers: the report API and its S3 server.

    python -m etl_assets.embedded FOLDER

Ports, key and credentials are those that the pipeline's own settings name, so both sides are
configured by the same variables. The source's D is the day after the last partition: fixed by
ETL_END_DATE, else it moves on with the clock.
"""

import signal
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from etl_assets.embedded.folder import keep_secret
from etl_assets.embedded.object_store import EmbeddedObjectStore
from etl_assets.embedded.services import ROWS_PER_DAY, SEED
from etl_assets.embedded.simulator import GeneratedOrders, Simulator
from etl_assets.errors import EtlError
from etl_assets.settings import ObjectStoreSettings, PartitionSettings, ReportApiSettings, require

_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  # a container's own network
_LOOK_AT_THE_CLOCK_SECONDS = 60


def serve(folder: Path) -> None:
    """Serve until interrupted; what is in the folder is there again at the next start.

    Raises:
        EtlError: a setting is missing, or a server doesn't start.
    """
    require(ReportApiSettings, ObjectStoreSettings, PartitionSettings)
    api, s3 = ReportApiSettings.read(), ObjectStoreSettings.read()
    keep_secret(folder / "report-api" / "api-key", api.key.get_secret_value())
    keep_secret(folder / "object-store" / "secret", s3.secret_access_key.get_secret_value())
    store = EmbeddedObjectStore(
        folder / "object-store",
        access_key_id=s3.access_key_id,
        listen=_ALL_ADDRESSES,
        port=urlsplit(s3.endpoint_url).port,
    )
    simulator = Simulator(
        folder / "report-api",
        store,
        GeneratedOrders(SEED, ROWS_PER_DAY),
        today=_today(),
        listen=_ALL_ADDRESSES,
        port=urlsplit(api.url).port or 0,
    )
    with store, simulator:
        print(f"The report API is at {api.url}, its files at {s3.endpoint_url}", flush=True)  # noqa: T201  # for people
        while True:
            time.sleep(_LOOK_AT_THE_CLOCK_SECONDS)  # midnight makes another day
            simulator.today = _today()


def _today() -> date:
    return PartitionSettings.read().last_day() + timedelta(days=1)


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    try:
        serve(Path(sys.argv[1]))
    except EtlError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
