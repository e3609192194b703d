"""The report API and the S3 server of the demo, without PostgreSQL, for a network of containers.

    python -m etl_assets.embedded FOLDER

The pipeline's own settings give the ports, the key and the credentials, so the same variables
configure both sides. The source's current day (D) is the day after the last partition: ETL_END_DATE
fixes it; without ETL_END_DATE it follows the clock.
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
_CLOCK_INTERVAL_SECONDS = 60


def serve(folder: Path) -> None:
    """Serve until interrupted. The next start finds the folder's contents again.

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
        print(f"The report API is at {api.url}, its files at {s3.endpoint_url}", flush=True)  # noqa: T201  # a program's output
        while True:
            time.sleep(_CLOCK_INTERVAL_SECONDS)  # at midnight the day changes
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
