"""Dagster's UI in a headless Chromium: the ways through it, for its tests and for the pictures.

What is looked for is what a person sees, and the names of Dagster's style classes where there is no
text to see; both belong to the pinned Dagster.
"""

import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from typing import Any, Self

from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

_QUIET = (
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Two busy cores take this long to start a code location and draw the first page.
_PATIENCE_MS = 60_000

_GREEN_NODES = '[class*="AssetNode_minimalAssetNodeBox"][style*="green"]'

# What Dagster's UI keeps of a user's choices: no room for what nobody looks at here.
_CHOICES = {
    "dagster-nav-collapsed": True,
    "asset-node-facets": ["status"],
    "collapsible-section-Status": True,
}
# A graph this wide is seen small: the names fill their nodes. And nodes are translucent, so that
# the edges that pass behind them cross the names.
_NODE_STYLE = """
    [class*="AssetNode_minimalName"] {
        font-size: 27px !important; padding: 0 !important; background: none !important;
    }
    [class*="AssetNode_minimalAssetNodeBox"] {
        background: linear-gradient(var(--minimal-bg), var(--minimal-bg)), white !important;
    }
"""


class NoChromium(Exception):
    """There is no Chromium on this machine."""


def chromium() -> str:
    """Return the path of Chromium: $CHROMIUM, or the one on the PATH.

    Raises:
        NoChromium: there is none.
    """
    named = os.environ.get("CHROMIUM")
    path = shutil.which(named or "chromium")
    if path is None:
        what = (
            f"CHROMIUM is {named}, which is no program" if named else "No chromium is on the PATH"
        )
        raise NoChromium(
            f"{what}: install it (Debian: apt-get install chromium), or set CHROMIUM to its path"
        )
    return path


@contextmanager
def open_browser() -> Generator[Browser]:
    """Start a Chromium that talks to nobody but the pages it is sent to; it ends with the block.

    Raises:
        NoChromium: there is none.
    """
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=_QUIET,
            # Chromium's sandbox doesn't work for root.
            chromium_sandbox=os.geteuid() != 0,
        )
        with browser:
            yield browser


class DagsterUi:
    """Dagster's UI in a window of its own.

    Attributes:
        page: the window, for what has no method here.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    @classmethod
    def open(cls, browser: Browser, url: str, *, width: int, height: int, scale: float = 1) -> Self:
        """Open a window.

        Args:
            browser: where.
            url: the UI's address.
            width: of the window's contents, in CSS pixels.
            height: likewise.
            scale: pixels of a picture for each CSS pixel.
        """
        page = browser.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            locale="en-US",
        )
        page.set_default_timeout(_PATIENCE_MS)
        choices = {name: json.dumps(choice) for name, choice in _CHOICES.items()}
        page.add_init_script(f"Object.assign(localStorage, {json.dumps(choices)})")
        return cls(page, url)

    def show_graph(self, assets: int) -> FloatRect:
        """Show the whole asset graph, groups unfolded; return where on the page it is.

        Args:
            assets: how many assets there are, all of them materialized.
        """
        self._go("/asset-groups/")
        groups = self.page.locator("svg foreignObject")
        groups.first.wait_for()
        self.page.keyboard.press("Alt+e")
        expect(self.page.locator(_GREEN_NODES)).to_have_count(assets, timeout=_PATIENCE_MS)
        self.page.add_style_tag(content=_NODE_STYLE)
        # The view moves until all of it is seen.
        groups.first.element_handle().wait_for_element_state("stable")
        return _around(groups)

    def show_partition(self, asset: str, day: date) -> FloatRect:
        """Show a day among an asset's partitions; return the page, down to the day's metadata.

        Args:
            asset: as in mart/f_sales.
            day: the partition.
        """
        self._go(f"/assets/{asset}?view=partitions&partition={day}")
        return self._down_to("partition_row_count")

    def metadata(self, label: str) -> str:
        """Return what the page that is shown says of a day, by its label."""
        row = self.page.locator("tr").filter(has_text=label)
        return row.inner_text().split()[-1]

    def show_run(self, run_id: str) -> str:
        """Show a run that has ended; return the page's text."""
        self._go(f"/runs/{run_id}")
        self.page.get_by_text("RUN_SUCCESS").or_(self.page.get_by_text("RUN_FAILURE")).wait_for()
        return self.page.locator("body").inner_text()

    def choose_days(self, job: str, first: date, last: date) -> Locator:
        """Open a job's dialog for a range of days, choose them, and return the dialog."""
        self._go(f"/locations/etl_assets/jobs/{job}")
        self.page.get_by_role("button", name="Materialize").first.click()
        dialog = self.page.get_by_role("dialog")
        days = dialog.get_by_role("textbox").first
        days.fill(f"[{first}...{last}]")
        days.press("Enter")
        count = (last - first).days + 1
        dialog.get_by_text(f"{count} partition{'s' if count > 1 else ''}", exact=True).wait_for()
        return dialog

    def launch(self, dialog: Locator) -> str:
        """Launch what the dialog has chosen, and return the id of the backfill."""
        with self.page.expect_response(
            lambda response: "LaunchPartitionBackfill" in (response.request.post_data or "")
        ) as launched:
            dialog.get_by_role("button", name="Launch backfill").click()
        answer: dict[str, Any] = launched.value.json()
        return answer["data"]["launchPartitionBackfill"]["backfillId"]

    def _go(self, path: str) -> None:
        self.page.goto(self._url + path)

    def _down_to(self, text: str) -> FloatRect:
        """Return the page, down to the end of the table with the text."""
        table = self.page.locator("table").filter(has_text=text)
        table.wait_for()
        area = _around(table)
        width = self.page.evaluate("innerWidth")
        return {"x": 0, "y": 0, "width": width, "height": area["y"] + area["height"]}


def _around(elements: Locator) -> FloatRect:
    """Return the rectangle that holds all of the elements."""
    boxes = [box for element in elements.all() if (box := element.bounding_box())]
    left, top = (min(box[side] for box in boxes) for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}
