"""PostgreSQL, object store and report API together, in one folder: all that the pipeline talks to.

The folder keeps everything, the day included: the first start makes its day the source's D for
good, so that the demo of next week still finds last week's days where they were.
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from etl_assets.embedded.folder import owned
from etl_assets.embedded.object_store import REGION, EmbeddedObjectStore
from etl_assets.embedded.ports import LOOPBACK
from etl_assets.embedded.postgres import EmbeddedPostgres
from etl_assets.embedded.simulator import GeneratedOrders, Simulator, SourceFiles
from etl_assets.embedded.startable import Startable
from etl_assets.errors import ConfigurationError
from etl_assets.package_files import package_file

TIMEZONE = "Europe/Moscow"
WAREHOUSE = "warehouse"
DAGSTER = "dagster"

ROWS_PER_DAY = 1_000
SEED = 2024


@dataclass(frozen=True)
class _Scene:
    """What the first start settles: the source's D, and what its files are made from."""

    today: date
    seed: int
    rows_per_day: int


class EmbeddedServices(Startable):
    """The three servers on free ports of 127.0.0.1, started side by side.

    They end when the process that started them does, however it does, `kill -9` included; what was
    committed and written is there at the next start. One process at a time may use a folder.

    Example:
        >>> with EmbeddedServices(Path(".etl")) as services:
        ...     subprocess.run(["etl-assets", "backfill"], env=os.environ | services.environment())

    Attributes:
        postgres: the PostgreSQL server, with the databases `warehouse` and `dagster`.
        object_store: the S3 server.
        simulator: the report API; set up by the first `start`.
    """

    simulator: Simulator

    def __init__(
        self,
        folder: Path,
        *,
        rows_per_day: int | None = None,
        seed: int | None = None,
        report_seconds: float = 2.0,
        today: date | None = None,
        files: SourceFiles | None = None,
    ) -> None:
        """Describe the services.

        Args:
            folder: where everything is kept; made if missing.
            rows_per_day: of the generated orders, about; None for what the folder has, or 1,000.
            seed: of the generated orders; None for what the folder has, or a fixed one.
            report_seconds: how long a report is RUNNING.
            today: the source's D from now on; None for what the folder has, or the day in Moscow.
            files: the source's files, instead of generated ones.
        """
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self.object_store = EmbeddedObjectStore(folder / "object-store")
        self._folder = folder.resolve()
        self._rows_per_day = rows_per_day
        self._seed = seed
        self._report_seconds = report_seconds
        self._today = today
        self._files = files

    def delete(self) -> None:
        """Stop all three and delete the folder, and what lies elsewhere on its behalf.

        Raises:
            FolderInUse: another process uses the folder.
        """
        self.stop()
        with owned(self._folder):
            self.postgres.delete()
            self.object_store.delete()
            shutil.rmtree(self._folder)

    def environment(self) -> dict[str, str]:
        """Return the variables that make the pipeline use them; secrets are among the values."""
        first_day, last_day = (self.simulator.today - timedelta(days=n) for n in (30, 1))
        return {
            "WAREHOUSE_URL": self.postgres.url(WAREHOUSE),
            "REPORT_API_URL": self.simulator.url,
            "REPORT_API_KEY": self.simulator.api_key,
            "REPORT_API_NICKNAME": self.simulator.nickname,
            "REPORT_API_COHORT": self.simulator.cohort,
            "AWS_ENDPOINT_URL_S3": self.object_store.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.object_store.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.object_store.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "ETL_START_DATE": first_day.isoformat(),
            "ETL_END_DATE": last_day.isoformat(),
            "ETL_TIMEZONE": TIMEZONE,
            "ETL_POLL_SECONDS": f"{min(10.0, max(0.1, self._report_seconds / 5)):g}",
            "ETL_POLL_TIMEOUT_SECONDS": "600",
            # No proxy of the environment stands between it and 127.0.0.1; some libraries look for
            # the one spelling first, some for the other.
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
        }

    def dagster_environment(self) -> dict[str, str]:
        """Return the variables that make Dagster use this PostgreSQL, and set up its home."""
        home = self._folder / "dagster"
        home.mkdir(exist_ok=True)
        shutil.copyfile(package_file("deploy/dagster.yaml"), home / "dagster.yaml")
        url = self.postgres.url(DAGSTER)
        return {
            "DAGSTER_HOME": str(home),
            "DAGSTER_POSTGRES_URL": url.replace("postgresql://", "postgresql+psycopg2://"),
            "DAGSTER_EVENT_BATCH_SIZE": "50",
        }

    def _start_postgres(self) -> None:
        self.postgres.start()
        for database in (WAREHOUSE, DAGSTER):
            self.postgres.create_database(database)

    def _start(self, running: ExitStack) -> None:
        """Start all three.

        Raises:
            ConfigurationError: the folder's orders were made with another seed or size.
        """
        running.enter_context(owned(self._folder))
        scene = self._settle_scene()
        self.simulator = Simulator(
            self._folder / "report-api",
            self.object_store,
            self._files or GeneratedOrders(scene.seed, scene.rows_per_day),
            today=scene.today,
            report_seconds=self._report_seconds,
        )
        running.callback(self.postgres.stop)
        running.callback(self.object_store.stop)
        with ThreadPoolExecutor(2, "embedded-start") as pool:
            starts = [pool.submit(self._start_postgres), pool.submit(self.object_store.start)]
            # In here: Ctrl-C then leaves the pool only when both have started, and can be stopped.
            wait(starts)
        for start in starts:
            start.result()
        running.enter_context(self.simulator)

    def _settle_scene(self) -> _Scene:
        """Return the folder's scene, made and kept by the first start."""
        path = self._folder / "world.json"
        kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        wanted: dict[str, Any] = {
            "seed": self._seed,
            "rows_per_day": self._rows_per_day,
            "today": self._today,
        }
        wanted = {name: value for name, value in wanted.items() if value is not None}
        for name in ("seed", "rows_per_day"):
            if name in wanted and kept.get(name, wanted[name]) != wanted[name]:
                message = (
                    f"Can't start in {self._folder} with {name}={wanted[name]}: its orders were "
                    f"made with {name}={kept[name]}. Start it with that, or choose another folder."
                )
                raise ConfigurationError(message)
        if "today" in kept:
            kept["today"] = date.fromisoformat(kept["today"])
        today = datetime.now(ZoneInfo(TIMEZONE)).date()
        usual: dict[str, Any] = {"today": today, "seed": SEED, "rows_per_day": ROWS_PER_DAY}
        scene = _Scene(**(usual | kept | wanted))
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(scene), default=date.isoformat))
        unfinished.rename(path)
        return scene
