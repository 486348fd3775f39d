"""`refrain up` in earnest: servers, worker and deployments, one triggered run, and the end of it all."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.test_command_line import free_port


@pytest.fixture(scope="module")
def servers(made_package: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """`refrain up` on free ports and in a store of its own, until it says that it is up."""
    folder, catalog = made_package
    home, prefect_port, mlflow_port = tmp_path_factory.mktemp("up"), free_port(), free_port()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_TRACKING", "PREFECT_API"))}
    environment = ours | {
        "REFRAIN_HOME": str(home), "PIP_INDEX_URL": folder.as_uri(), "PIP_FIND_LINKS": str(folder), "PIP_EXTRA_INDEX_URL": "",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    log = home / "screen"
    command = [sys.executable, "-m", "flows", "up", "--prefect-port", str(prefect_port), "--mlflow-port", str(mlflow_port)]
    with log.open("w") as screen:
        process = subprocess.Popen(command, env=environment, stdout=screen, stderr=screen)
    api = f"http://127.0.0.1:{prefect_port}/api"
    try:
        deadline = time.monotonic() + 240
        while "Ctrl-C stops all" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(1)
        yield {"process": process, "environment": environment | {"PREFECT_API_URL": api}, "home": home, "catalog": catalog}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def said(command: list[str], servers: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody would in another terminal."""
    environment = servers["environment"]
    assert isinstance(environment, dict)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_a_deployment_started_by_hand_completes_and_is_seen_in_mlflow(servers: dict[str, object]) -> None:
    command = [sys.executable, "-m", "prefect", "deployment", "run", "retrain/rotten_tomatoes", "--watch"]
    chosen = {"training": {"max_epochs": 1, "hidden_size": 8, "embedding_size": 8}, "tokens": {"limit": 100}}
    parameters = json.dumps({"dataset": "made_sentiment", "catalog": str(servers["catalog"]), "settings": chosen})
    done = said([*command, "--params", parameters], servers)
    worker = (Path(str(servers["home"])) / "logs" / "worker.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + worker[-3000:]
    listed = said([sys.executable, "-m", "flows", "models", "--json"], servers)
    assert [model["model"] for model in json.loads(listed.stdout)] == ["made_sentiment"]


def test_every_deployment_of_prefect_yaml_is_there_with_its_schedule(servers: dict[str, object]) -> None:
    command = [sys.executable, "-m", "prefect", "deployment", "ls"]
    done = said(command, servers)
    assert all(f"retrain/{name}" in done.stdout for name in ("rotten_tomatoes", "msra", "tatoeba_en_fr"))


def test_ctrl_c_stops_everything(servers: dict[str, object]) -> None:
    process = servers["process"]
    assert isinstance(process, subprocess.Popen)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    home = str(servers["home"])
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if _holds(path, f"REFRAIN_HOME={home}")]
    assert left == []


def _holds(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes().split(b"\0")
    except OSError:
        return False
