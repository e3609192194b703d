"""Make the pictures of the documentation: Dagster's UI on what the demo has loaded.

`make pictures` runs it: the demo, the UI and a headless Chromium, all in a temporary folder that is
gone at the end. Debian's Chromium will do (`apt-get install chromium`), or the one that $CHROMIUM
names; none is downloaded. The days in the pictures are those before today.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import chdir, contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, FloatRect

from etl_assets.cli.demo import FOLDER
from etl_assets.embedded.dagster_servers import DagsterServers
from etl_assets.embedded.ports import free_ports
from etl_assets.embedded.services import EmbeddedServices
from etl_assets_tests.ui.browser import DagsterUi, NoChromium, chromium, open_browser

PICTURES = Path(__file__).parent / "pictures"
ASSETS = 10
MARGIN = 8


def main() -> None:
    """Run the demo and take all pictures."""
    try:
        chromium()
    except NoChromium as error:
        sys.exit(f"Can't make the pictures. {error}")
    PICTURES.mkdir(exist_ok=True)
    with demo() as (url, today), open_browser() as browser:
        take_lineage(browser, url)
        take_partitions(browser, url, today - timedelta(days=3))
        take_backfill(browser, url, today - timedelta(days=7), today - timedelta(days=1))


@contextmanager
def demo() -> Generator[tuple[str, date]]:
    """Run the demo and Dagster's UI on it; give the UI's address and the source's today."""
    with TemporaryDirectory(prefix="etl-assets-pictures-") as folder, chdir(folder):
        subprocess.run([Path(sys.executable).parent / "etl-assets", "demo"], check=True)
        services = EmbeddedServices(FOLDER)
        try:
            with services:
                environment = services.environment() | services.dagster_environment()
                (port,) = free_ports(1)
                with DagsterServers(FOLDER / "dagster", port, environment) as servers:
                    yield servers.url, services.simulator.today
        finally:
            services.delete()


def take_lineage(browser: Browser, url: str) -> None:
    """Take the asset graph."""
    ui = DagsterUi.open(browser, url, width=1440, height=1100, scale=2)
    save(ui, "lineage", ui.show_graph(ASSETS))


def take_partitions(browser: Browser, url: str, day: date) -> None:
    """Take a day of the facts among the others."""
    ui = DagsterUi.open(browser, url, width=1200, height=1100, scale=1.5)
    save(ui, "partitions", ui.show_partition("mart/f_sales", day))


def take_backfill(browser: Browser, url: str, first: date, last: date) -> None:
    """Take the dialog that loads a range of days."""
    ui = DagsterUi.open(browser, url, width=1000, height=680, scale=1.5)
    ui.choose_days("order_backfill", first, last)
    save(ui, "backfill")


def save(ui: DagsterUi, name: str, area: FloatRect | None = None) -> None:
    """Save what the window shows, or the area of it and some room around, and close the window."""
    if area:
        area = {
            "x": max(area["x"] - MARGIN, 0),
            "y": max(area["y"] - MARGIN, 0),
            "width": area["width"] + 2 * MARGIN,
            "height": area["height"] + 2 * MARGIN,
        }
    ui.page.screenshot(path=PICTURES / f"{name}.png", clip=area, animations="disabled")
    ui.page.close()


if __name__ == "__main__":
    main()
