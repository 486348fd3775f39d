"""A browser at the dashboard of a running ``refrain up``, and what it sees there."""

import base64
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as NotShownError

from benchmarks.lib.figures import Figure, require_clean_tree, write
from benchmarks.reliability.small_project import MODEL
from refrain.deployments import Server

CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MILLISECONDS = 300_000  # on a machine that has much else to do
PATIENCE_SECONDS = 600.0
DRAW_MILLISECONDS = 4_000
END_STATES = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass
class Visit:
    """A browser at the dashboard of a running ``refrain up``, and what it found."""

    page: Page
    prefect: str
    mlflow: str
    server: Server
    images: Path
    held: dict[str, bool] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)

    def check(self, name: str, *, holds: bool, found: object = "") -> None:
        """Record and print whether a check holds."""
        self.held[name] = holds
        shown = "" if holds else f"  {found}"
        print(f"{'holds ' if holds else 'FAILED'}  {name}{shown}", flush=True)

    def see(self, address: str, name: str, expected: str) -> str:
        """Visit a page until it shows a text, keep its screenshot, and return its whole text."""
        self.page.goto(f"{self.prefect}{address}")
        with suppress(NotShownError):  # the check that follows tells what is missing
            self.page.get_by_text(expected).first.wait_for()
        return self.look(name)

    def look(self, name: str) -> str:
        """Keep a screenshot of the page, and return its text."""
        self.page.wait_for_timeout(DRAW_MILLISECONDS)
        self.page.screenshot(path=self.images / f"{name}.png", full_page=True)
        text: str = self.page.inner_text("body")
        return text

    def deployment(self, name: str) -> dict[str, Any]:
        """Find a deployment by its name."""
        return next(each for each in self.server.deployments() if each["name"] == name)

    def runs(self) -> list[dict[str, Any]]:
        """List the flow runs of the retraining that are not scheduled, the newest first."""
        chosen = {
            "deployment_id": {"any_": [self.deployment(MODEL)["id"]]},
            "state": {"type": {"not_any_": ["SCHEDULED"]}},
        }
        query = {"sort": "START_TIME_DESC", "flow_runs": chosen}
        found: list[dict[str, Any]] = self.server.call("POST", "flow_runs/filter", query)
        return found

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a result that is not empty."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not happen in {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.1)
        return found

    def ended(self, number: int) -> dict[str, Any]:
        """Wait until the retraining has so many runs and the newest is over."""

        def found() -> dict[str, Any] | None:
            runs = self.runs()
            is_over = len(runs) >= number and runs[0]["state_type"] in END_STATES
            return runs[0] if is_over else None

        run: dict[str, Any] = self.wait(found, f"the end of run {number}")
        return run

    def artifacts(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Find the artifacts of a run by the kind that their key begins with."""
        chosen = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        found = self.server.call("POST", "artifacts/filter", chosen)
        return {str(each["key"]).partition("-")[0]: each for each in found}

    def log(self, run: dict[str, Any]) -> str:
        """Read the log of a run."""
        body = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
        return "\n".join(line["message"] for line in self.server.call("POST", "logs/filter", body))


@contextmanager
def dashboard_page(auth: str) -> Iterator[Page]:
    """Open a page of Chromium that is logged in to Prefect.

    Args:
        auth: User and password of its server.
    """
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=CHROMIUM, args=OPTIONS, timeout=PATIENCE_MILLISECONDS
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        password = base64.b64encode(auth.encode()).decode()
        page.add_init_script(f"localStorage.setItem('prefect-password', '{password}')")
        try:
            yield page
        finally:
            browser.close()


def run_visit(measure: Callable[[Path], list[Figure]]) -> None:
    """Measure, print, and write the figures unless ``--dry``; ``--images`` keeps screenshots.

    Args:
        measure: Takes the folder of the screenshots.
    """
    is_dry = "--dry" in sys.argv
    if not is_dry:
        require_clean_tree()
    keeps = "--images" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        images = Path(sys.argv[sys.argv.index("--images") + 1]) if keeps else Path(folder)
        figures = measure(images.resolve())
    for each in figures:
        print(f"{each.figure}: {each.value:g} {each.unit} (goal {each.goal:g}); {each.note}")
    if not is_dry:
        write("unattended", figures)


def fields_of(page: Page) -> int:
    """Count the fields that a person sees, without Prefect's own two.

    These are the name of the run and the switch that checks parameters.
    """
    return int(
        page.evaluate(
            """() => {
    const all = [...document.querySelectorAll('form input, form textarea, form button')];
    const asked = all.filter((each) => each.matches('textarea')
        || each.matches('input:not([type=hidden]):not([type=radio])')
        || each.matches('[role=combobox], [role=switch], [role=checkbox], [aria-label^=Select]'));
    const shown = asked.filter((each) => each.getClientRects().length
        && each.id && document.querySelector(`label[for="${CSS.escape(each.id)}"]`));
    const label = (each) => document.querySelector(`label[for="${CSS.escape(each.id)}"]`);
    const own = ['Run Name', 'Enforce Parameter Schema'];
    return shown.filter((each) => !own.includes(label(each).innerText.trim())).length;
}"""
        )
    )
