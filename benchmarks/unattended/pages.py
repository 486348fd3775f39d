"""The dashboard as a person uses it: forms, lists, the page of a run, in both of Prefect's designs.

``python -m benchmarks.unattended.pages`` starts ``refrain up`` in a project of its own, retrains a
small dataset through the form in Chromium, makes mistakes, visits each page, and reads the logs of
the servers to their end. It needs the extra ``screenshots`` and Chromium. ``--dry`` prints without
writing; ``--images FOLDER`` keeps the screenshots.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.cross_origin import running
from benchmarks.reliability.small_project import MODEL, command, make_project, surroundings
from benchmarks.unattended.browser_visit import (
    END_STATES,
    Visit,
    dashboard_page,
    fields_of,
    run_visit,
)
from refrain.access import kept_auth
from refrain.deployments import Server
from refrain.services import free_port
from tasks.store.installation import ROOT

COMMAND = "python -m benchmarks.unattended.pages"
FAULT = re.compile(r"\b(?:ERROR|CRITICAL)\b|Traceback \(most recent call last\)")
DECISIONS = ("Promoted", "Not promoted")  # a short training may lose to its baseline
MISTAKE = "training.max_epoch"
BY_HAND = ("rollback", "replay", "predict")


def form(visit: Visit) -> None:
    """Fill in the new form as a person does, and follow the run to its page."""
    page = visit.page
    address = f"/v2/deployments/deployment/{visit.deployment(MODEL)['id']}/run"
    text = visit.see(address, "form", "max_epochs")
    visit.values["form_fields_on_top"] = fields_of(page)
    visit.check("no field of the form is of type None", holds="None" not in text, found=text)
    visit.check("the form names defaults and bounds", holds="At least 1. Default" in text)
    page.get_by_label("max_epochs").fill("1")
    page.get_by_label("hidden_size").fill("-5")
    page.get_by_role("button", name="Submit").click()
    text = visit.look("form-refusal")
    visit.check("a value below its bound is not sent", holds=not visit.runs(), found=text)
    page.get_by_label("hidden_size").fill("16")
    started = time.monotonic()
    with page.expect_response(lambda answer: "create_flow_run" in answer.url):
        page.get_by_role("button", name="Submit").click()
    run = visit.wait(
        lambda: next((each for each in visit.runs() if each["state_type"] == "RUNNING"), None),
        "the run of the form",
    )
    visit.values["trigger_to_running_seconds"] = time.monotonic() - started
    given = run["parameters"]
    visit.check("the run records no nulls", holds="None" not in str(given), found=given)
    while_running(visit, run)


def while_running(visit: Visit, run: dict[str, Any]) -> None:
    """Look at a run while it trains, and at its end."""
    found = visit.wait(lambda: _of_training(visit, run), "the link to MLflow")
    visit.check("a running training shows its progress", holds="progress" in found, found=found)
    link = str(found["mlflow"]["data"]) if "mlflow" in found else ""
    visit.check("and a link to its MLflow run", holds=visit.mlflow in link, found=link)
    visit.see(f"/v2/runs/flow-run/{run['id']}", "run-at-work", "Artifacts")
    run = visit.ended(1)
    message = str(run["state"]["message"])
    name = str(run["state_name"])
    visit.check("the run ends named by its decision", holds=name in DECISIONS, found=name)
    visit.check("its message is the reason", holds="baseline" in message, found=message)
    visit.check("its name tells why it ran", holds=run["name"].endswith("by hand"), found=run)
    text = visit.see(f"/v2/runs/flow-run/{run['id']}", "run", name)
    visit.check("its page shows the decision", holds=name in text, found=text[:500])
    artifact = visit.artifacts(run)["promotion"]
    for path, design in (("/v2", "new"), ("", "old")):
        text = visit.see(
            f"{path}/artifacts/artifact/{artifact['id']}", f"decision-{design}", "Samples"
        )
        parts = ("promoted", "Last decisions", "Training and gradients", "Worst errors", "Samples")
        lacking = [part for part in parts if part not in text]
        visit.check(
            f"the page of the decision is complete, {design}", holds=not lacking, found=lacking
        )
    progress = visit.artifacts(run)["progress"]
    visit.check(
        "the progress ends at its end", holds=float(progress["data"]) == 100, found=progress
    )


def _of_training(visit: Visit, run: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    found = visit.artifacts(run)
    is_over = visit.server.call("GET", f"flow_runs/{run['id']}")["state_type"] in END_STATES
    return found if "mlflow" in found or is_over else None


def quick_run(visit: Visit, parameters: dict[str, Any], number: int) -> dict[str, Any]:
    """Start a run with some parameters, and wait for its end."""
    path = f"deployments/{visit.deployment(MODEL)['id']}/create_flow_run"
    visit.server.call("POST", path, {"parameters": parameters})
    return visit.ended(number)


def outcomes(visit: Visit) -> None:
    """Run again without changes, and with a mistake."""
    settings = {"max_epochs": 1, "hidden_size": 16}
    run = quick_run(visit, {"main_settings": settings}, 2)
    visit.check(
        "a run without changes is Unchanged", holds=run["state_name"] == "Unchanged", found=run
    )
    run = quick_run(visit, {"advanced": f"{MISTAKE}=3"}, 3)
    message = str(run["state"]["message"])
    is_told = run["state_type"] == "FAILED" and "did you mean training.max_epochs" in message
    visit.check("a mistake is the message of the failed run", holds=is_told, found=run)
    log = visit.log(run)
    visit.check("and no traceback is in its log", holds="Traceback" not in log, found=log)
    visit.see(f"/v2/runs/flow-run/{run['id']}", "mistake", "did you mean")
    visit.see("/v2/runs", "runs", "Unchanged")
    visit.see("/runs", "runs-old", "Unchanged")


def other_pages(visit: Visit) -> None:
    """Look at the old form, the forms of the other deployments, and the descriptions."""
    number = visit.deployment(MODEL)["id"]
    text = visit.see(f"/deployments/deployment/{number}/run", "form-old", "max_epochs")
    shown = all(name in text for name in ("dataset", "max_epochs", "advanced", "accept"))
    visit.check(
        "the old form shows the same fields", holds=shown and "None" not in text, found=text
    )
    text = visit.see(
        f"/v2/deployments/deployment/{number}?tab=Description", "deployment", "Last decision"
    )
    links = visit.page.locator("a", has_text="Last decision").count()
    visit.check("a deployment links to its last decision", holds=links > 0, found=text[:800])
    for name in BY_HAND:
        for path, design in (("/v2", "new"), ("", "old")):
            address = f"{path}/deployments/deployment/{visit.deployment(name)['id']}/run"
            text = visit.see(address, f"form-{name}-{design}", "model")
            is_plain = "model" in text and "None" not in text
            visit.check(f"the form of {name} is plain, {design}", holds=is_plain, found=text[:800])


def add_deployments(project: Path) -> None:
    """Add the deployments without a schedule to those of a new project."""
    path = project / "prefect.yaml"
    content = yaml.safe_load(path.read_text())
    ours = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    for entry in (each for each in ours if each["name"] in BY_HAND):
        flow = entry["entrypoint"].removesuffix(f".py:{entry['name']}").replace("/", ".")
        content["deployments"].append(
            {
                "name": entry["name"],
                "entrypoint": f"{flow}.{entry['name']}",
                "description": entry["description"],
                "work_pool": {"name": "refrain"},
                "schedules": [],
            }
        )
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def faults(logs: Path) -> Iterator[str]:
    """Find the errors in the whole logs of the servers and the worker."""
    for log in sorted(logs.glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            if FAULT.search(line) and MISTAKE not in line:  # the one that was made on purpose
                yield f"{log.name}: {line[:300]}"


def visits(project: Path, images: Path) -> Visit:
    """Start the servers, visit every page, and read the logs."""
    add_deployments(project)
    home = project / ".refrain"
    ports = [free_port() for _ in range(2)]
    words = ["up", "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    os.environ.update(surroundings(project))
    os.chdir(project)
    with running(command(*words), "Ctrl-C stops", project / "screen"):
        api = f"{prefect}/api"
        auth = kept_auth(api)
        with dashboard_page(auth) as page:
            visit = Visit(page, prefect, mlflow, Server(api, auth), images)
            form(visit)
            outcomes(visit)
            other_pages(visit)
    found = list(faults(home / "logs"))
    visit.check("the servers' logs have no error", holds=not found, found=found)
    return visit


def measure(images: Path) -> list[Figure]:
    """Use the pages, and count what held."""
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="refrain-pages-") as folder:
        visit = visits(make_project(Path(folder)), images)
    held = [name for name, holds in visit.held.items() if holds]
    failed = [name for name, holds in visit.held.items() if not holds]
    note = "; ".join(held) + ("; FAILED: " + "; ".join(failed) if failed else "")
    return [
        figure(
            "form_fields_on_top",
            visit.values["form_fields_on_top"],
            unit="fields",
            goal=12,
            better="lower",
            command=COMMAND,
            note="of ours in the form of a retraining; Prefect adds the run's name and a switch",
        ),
        figure(
            "browser_tests",
            len(held),
            unit=f"of {len(visit.held)} checks",
            goal=len(visit.held),
            better="higher",
            command=COMMAND,
            note=note,
        ),
        figure(
            "trigger_to_running_seconds",
            visit.values["trigger_to_running_seconds"],
            unit="s",
            goal=20,
            better="lower",
            command=COMMAND,
            note="from the form's button until the flow run is at work",
        ),
    ]


if __name__ == "__main__":
    run_visit(measure)
