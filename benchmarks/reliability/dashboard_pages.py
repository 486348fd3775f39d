"""The dashboards of ``refrain up`` in a browser: login, lists, a run, and a page of another site.

``python -m benchmarks.reliability.dashboard_pages`` needs the extra ``screenshots`` and Chromium.
It ends with status 0 if each check holds. It writes no figure: `cross_origin` counts.
"""

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.data.real_sets import own_store
from benchmarks.reliability.cross_origin import running
from refrain.access import kept_auth
from refrain.deployments import Server
from refrain.services import free_port

CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MILLISECONDS = 60_000
FETCH = """async (api) => {
    const send = (kind) => fetch(`${api}/flows/`, {
        method: "POST", headers: {"Content-Type": kind}, body: '{"name": "page"}',
    }).then((answer) => answer.status, (error) => String(error));
    return [await send("application/json"), await send("text/plain")];
}"""


@contextmanager
def foreign_site() -> Iterator[str]:
    """Serve a page of another origin."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with an empty page."""
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def check(name: str, *, holds: bool, found: object = "") -> bool:
    """Print whether a check holds."""
    print(f"{'holds ' if holds else 'FAILED'}  {name}  {'' if holds else found}", flush=True)
    return holds


def checks(page: Any, prefect: str, mlflow: str) -> Iterator[bool]:
    """Use the pages as a person does."""
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    api = f"{prefect}/api"
    auth = kept_auth(api)
    with foreign_site() as site:
        page.goto(site)
        found = page.evaluate(FETCH, api)
        blocked = all(str(each).startswith("TypeError") for each in found)
        yield check("a page of another site reads no answer", holds=blocked, found=found)
        flows = Server(api, auth).call("POST", "flows/filter", {})
        names = [flow["name"] for flow in flows]
        yield check("and changes nothing", holds="page" not in names, found=names)
    page.goto(f"{prefect}/deployments")
    page.wait_for_url("**/login**")
    yield check("the dashboard asks for the password", holds=True)
    page.locator("input").first.fill(auth)
    page.keyboard.press("Enter")
    page.wait_for_url("**/deployments")
    page.get_by_text("rotten_tomatoes").first.wait_for()
    yield check("the deployments are listed", holds=True)
    number = next(each["id"] for each in Server(api, auth).deployments() if each["name"] == "msra")
    page.goto(f"{prefect}/deployments/deployment/{number}")
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as changed:
        page.get_by_role("switch").or_(page.locator(".p-toggle__control")).first.click()
    status = changed.value.status
    yield check("a schedule is paused by its switch", holds=status < 300, found=status)
    page.goto(f"{mlflow}/#/experiments")
    page.get_by_text("Experiments").first.wait_for()
    yield check("MLflow's experiments are listed", holds=True)


def main() -> int:
    """Run all checks; return the exit status."""
    ports = [free_port() for _ in range(2)]
    words = ["--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    with (
        own_store() as home,
        running([sys.executable, "-m", "refrain", "up", *words], "Ctrl-C stops", Path(home) / "up"),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        held = list(checks(browser.new_page(), prefect, mlflow))
        browser.close()
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
