"""Policy ask in a browser: a suspended flow run, a restarted server, and its answers.

``python -m benchmarks.unattended.ask`` needs the extra ``screenshots`` and Chromium. ``--dry``
prints without writing; ``--images FOLDER`` keeps the screenshots. It takes about three minutes.
"""

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Page

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.servers import PREFECT, Services, processes_with
from benchmarks.unattended.browser_visit import END_STATES, Visit, dashboard_page, run_visit
from refrain.prefect_lists import POOL
from refrain.services import stop
from tasks.store.installation import ROOT

COMMAND = "python -m benchmarks.unattended.ask"
DATASET = "asks"
NUM_ROWS = 400
WORDS = ("ta", "mi", "ro", "ku", "pe", "so", "li", "da")
SETTINGS: dict[str, Any] = {
    "tokens": {"min_frequency": 1, "vocabulary_size": 200},
    "training": {
        "embedding_size": 16,
        "hidden_size": 16,
        "max_epochs": 6,
        "learning_rate": 0.02,
        "batch_size": 8,
    },
    "promotion": {"policy": "ask"},
}


def write_rows(folder: Path) -> Path:
    """Write texts whose label is the order of two words, and their catalog."""
    chance = random.Random(0)
    lines = ["text,label"]
    for number in range(NUM_ROWS):
        label = ("neg", "pos")[number % 2]
        words = ["lumo", "grak"] if label == "neg" else ["grak", "lumo"]
        first, between, last = (chance.choices(WORDS, k=chance.randint(1, 2)) for _ in range(3))
        text = " ".join([f"n{number}", *first, words[0], *between, words[1], *last])
        lines.append(f"{text},{label}")
    folder.mkdir()
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    entry = {
        "problem": "sentiment",
        "language": "xx",
        "licence": "ours",
        "origin": "made for a benchmark",
        "source": {"kind": "files", "paths": {"all": str(folder / "rows.csv")}},
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.2, "test": 0.3},
        "tokenizer": "words",
        "settings": SETTINGS,
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({DATASET: entry}))
    return path


@contextmanager
def served(folder: Path) -> Iterator[Services]:
    """Provide both servers and a worker, with a deployment that asks."""
    store = folder / "store"
    store.mkdir()
    os.environ["REFRAIN_HOME"] = str(store)  # `start` writes logs there
    services = Services(store, write_rows(folder / "rows"))
    file = store / "prefect.yaml"
    entry = {
        "name": DATASET,
        "entrypoint": "flows/retrain.py:retrain",
        "work_pool": {"name": POOL},
        "parameters": {"dataset": DATASET},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "schedules": [],
    }
    file.write_text(yaml.safe_dump({"name": "asks", "deployments": [entry]}))
    try:
        for name in ("prefect", "mlflow"):
            services.start(name)
        for words in (
            ["work-pool", "create", POOL, "--type", "process"],
            ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
        ):
            command = [*PREFECT, *words]
            subprocess.run(command, cwd=ROOT, env=services.environment, check=True)
        services.start("worker")
        yield services
    finally:
        for service in reversed(services.running.values()):
            stop([service])


def asked(visit: Visit, services: Services, parameters: dict[str, Any]) -> dict[str, Any]:
    """Start a flow run, and wait until it is suspended and its process is gone."""
    number = visit.deployment(DATASET)["id"]
    body = {"parameters": parameters}
    run: dict[str, Any] = visit.server.call("POST", f"deployments/{number}/create_flow_run", body)
    ends = (*END_STATES, "PAUSED")
    visit.wait(lambda: services.state_of(run["id"]) in ends, "the question")
    held = f"PREFECT__FLOW_RUN_ID={run['id']}"
    visit.wait(lambda: not processes_with(held), "the end of the process")
    run = visit.server.call("GET", f"flow_runs/{run['id']}")
    visit.check("the flow run is suspended", holds=run["state_name"] == "Suspended", found=run)
    return run


def answer(page: Page, visit: Visit, decision: str, name: str) -> None:
    """Fill in the form, which the menu of the run opens."""
    page.locator("button[aria-haspopup=menu]").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Reason").fill("reads irony")
    page.get_by_label("Decision").click()
    page.get_by_role("option", name=decision).click()
    visit.look(f"answer-{decision}")
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()


def use(visit: Visit, services: Services) -> None:
    """Answer two questions as a person does, the first after a restart of the server."""
    run = asked(visit, services, {})
    stop([services.running["prefect"]])
    services.start("prefect")
    state = services.state_of(run["id"])
    visit.check("it waits on after a restart of the server", holds=state == "PAUSED", found=state)
    visit.see(f"/v2/runs/flow-run/{run['id']}", "suspended-new", "Suspended")
    answer(visit.page, visit, "keep", "Ada")
    ended(visit, services, run, "Not promoted", "not promoted, decided by Ada, in the dashboard")
    run = asked(visit, services, {"advanced": "promotion.ask_hours=24"})
    visit.see(f"/runs/flow-run/{run['id']}", "suspended-old", "Suspended")
    visit.see(f"/v2/runs/flow-run/{run['id']}", "suspended-again", "Suspended")
    answer(visit.page, visit, "promote", "Bob")
    ended(visit, services, run, "Promoted", "promoted by Bob, in the dashboard")
    visit.see(f"/v2/runs/flow-run/{run['id']}", "answered", "Promoted")
    page = visit.artifacts(run)["promotion"]
    visit.see(f"/v2/artifacts/artifact/{page['id']}", "decision", "decided by")


def ended(visit: Visit, services: Services, run: dict[str, Any], name: str, reason: str) -> None:
    """Wait for the end of a resumed flow run, and compare its state."""
    visit.wait(lambda: services.state_of(run["id"]) in END_STATES, "the end")
    state = visit.server.call("GET", f"flow_runs/{run['id']}")["state"]
    holds = state["name"] == name and state["message"].startswith(reason)
    visit.check(f"the answer ends it as {name}", holds=holds, found=state)


def measure(images: Path) -> list[Figure]:
    """Ask and answer, and count what held."""
    images.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="refrain-ask-") as folder,
        served(Path(folder)) as services,
        dashboard_page(services.auth) as page,
    ):
        prefect = services.api.removesuffix("/api")
        visit = Visit(page, prefect, "", services.server, images)
        try:
            use(visit, services)
        finally:
            visit.look("last")
    held = [name for name, holds in visit.held.items() if holds]
    return [
        figure(
            "ask_checks",
            len(held),
            unit=f"of {len(visit.held)} checks",
            goal=len(visit.held),
            better="higher",
            command=COMMAND,
            note="; ".join(held),
        )
    ]


if __name__ == "__main__":
    run_visit(measure)
