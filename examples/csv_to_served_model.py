"""Take a CSV file to a champion, serve it over HTTP, and request a prediction.

The program works in a temporary folder: it writes a CSV file and a catalog entry,
runs the flow that the schedule runs too, and starts MLflow's scoring server with
the model that it promoted.
"""

import json
import os
import random
import sys
import tempfile
import urllib.request
from pathlib import Path

import yaml

from refrain.environment import prepare

GOOD, BAD = ("lumo", "sela", "nuri"), ("grak", "dosh", "vek")
PLAIN = ("ta", "mi", "ro", "ku", "pe", "so", "li", "da")
ENTRY = {
    "problem": "sentiment",
    "language": "xx",
    "source": {"kind": "files", "paths": {"all": "reviews.csv"}},
    "format": {"kind": "csv"},
    "columns": {"text": "body", "label": "stars"},
    "labels": {"1": "neg", "5": "pos"},
    "splits": {"validation": 0.15, "test": 0.2},
    "tokenizer": "words",
    "licence": "ours",
    "origin": "made by this program",
    # Rows this simple need no comparison with a baseline.
    "settings": {"training": {"max_epochs": 2}, "promotion": {"policy": "always"}},
}


def write_rows(folder: Path) -> Path:
    """Write reviews.csv and the catalog that describes it."""
    chance = random.Random(0)
    lines = ["body,stars"]
    for index in range(400):
        is_good = index % 2 == 0
        words = chance.choices(PLAIN, k=5) + chance.choices(GOOD if is_good else BAD, k=2)
        lines.append(f"{' '.join(words)} n{index},{5 if is_good else 1}")
    (folder / "reviews.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    catalog = folder / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"reviews": ENTRY}), encoding="utf-8")
    return catalog


def request(port: int, text: str) -> object:
    """Send one row to the scoring server and return its answer."""
    body = json.dumps({"dataframe_records": [{"text": text}]}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return json.load(response)["predictions"][0]


def main(folder: Path) -> None:
    """Retrain, serve, and print a prediction."""
    os.environ["REFRAIN_HOME"] = str(folder / "store")
    prepare()  # sets what Prefect and MLflow read when they are imported
    from flows.retrain import retrain
    from refrain.engine import engine
    from refrain.services import free_port, running, start, wait_for
    from tasks.registry.mlflow_client import tracking_uri

    with engine():
        promotion = retrain("reviews", catalog=str(write_rows(folder)))
    print(f"champion: version {promotion.version}")
    port = free_port()
    server = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command = [*server, "-m", "models:/reviews@champion", "--port", str(port)]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": tracking_uri(),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        # MLflow starts uvicorn by its name, which lies beside this Python.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    service = start("scoring", command, environment)
    with running([service]):
        wait_for(f"http://127.0.0.1:{port}/ping", service, [service])
        print(request(port, "ta mi lumo ro sela"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
