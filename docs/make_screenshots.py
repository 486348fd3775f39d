"""Take the screenshots in docs/images from a running ``refrain up``.

Needs the extra ``screenshots`` and a Chromium. Type ``source .refrain/up.env`` and retrain a
dataset, so that the running server has a flow run to show; then:
``python -m docs.make_screenshots --prefect http://127.0.0.1:4200 --dataset reviews``.
"""

import argparse
import base64
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from refrain.deployments import Server

IMAGES = Path(__file__).with_name("images")
CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAW_MILLISECONDS = 8_000  # the graph of a flow run is drawn some seconds after the page is there


def newest(server: str, kind: str, query: dict[str, Any]) -> dict[str, Any]:
    """Find the newest object of a kind on a Prefect server.

    Raises:
        ValueError: If there is none.
    """
    api = Server(f"{server}/api", os.environ["PREFECT_API_AUTH_STRING"])
    found: list[dict[str, Any]] = api.call("POST", f"{kind}/filter", query | {"limit": 1})
    if not found:
        raise ValueError(f"{server} has no {kind} for {query}: retrain the dataset first")
    return found[0]


def pages(server: str, dataset: str) -> dict[str, tuple[str, int]]:
    """Return the address and the height of each screenshot, by its file name."""
    artifact = newest(
        server,
        "artifacts",
        {"sort": "CREATED_DESC", "artifacts": {"key": {"any_": [f"promotion-{dataset}"]}}},
    )
    return {
        "prefect-run.png": (f"{server}/runs/flow-run/{artifact['flow_run_id']}", 780),
        "promotion.png": (f"{server}/artifacts/artifact/{artifact['id']}", 780),
    }


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefect", default="http://127.0.0.1:4200", help="address of the server")
    parser.add_argument("--dataset", default="reviews", help="a dataset that was retrained there")
    chosen = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        for name, (address, height) in pages(chosen.prefect, chosen.dataset).items():
            page = browser.new_page(
                viewport={"width": 1280, "height": height}, color_scheme="light"
            )
            password = base64.b64encode(os.environ["PREFECT_API_AUTH_STRING"].encode()).decode()
            page.add_init_script(f"localStorage.setItem('prefect-password', '{password}')")
            page.goto(address)
            page.wait_for_timeout(DRAW_MILLISECONDS)
            page.screenshot(path=IMAGES / name)
        browser.close()


if __name__ == "__main__":
    main()
