"""`refrain up` with real servers: scheduled runs start, pauses survive, and it ends cleanly."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.reliability.cross_origin import attacks, mlflow_commands, prefect_commands
from refrain.deployments import Server
from refrain.services import Service, free_port, rotate, start, stop
from tasks.store.installation import ROOT
from tests.databases import begin_store

QUICK = {
    "training": {"max_epochs": 1, "hidden_size": 8, "embedding_size": 8},
    "tokens": {"limit": 100},
}
PATIENCE_SECONDS = 300
AUTH = "PREFECT_API_AUTH_STRING"


@dataclass
class Up:
    """A running `refrain up`."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    home: Path
    screen: Path
    catalog: Path
    server: Server

    def deployment(self, name: str) -> dict[str, Any]:
        return next(found for found in self.server.deployments() if found["name"] == name)

    def add_schedule(self, name: str, schedule: dict[str, Any]) -> None:
        """Add a schedule as the dashboard does: without a slug."""
        self.server.call("POST", f"deployments/{self.deployment(name)['id']}/schedules", [schedule])

    def remove_schedule(self, name: str, cron: str) -> None:
        deployment = self.deployment(name)
        for each in deployment["schedules"]:
            if each["schedule"]["cron"] == cron:
                path = f"deployments/{deployment['id']}/schedules/{each['id']}"
                self.server.call("DELETE", path)

    def runs(self, name: str) -> list[dict[str, Any]]:
        """The flow runs of a deployment that left the state Scheduled, oldest first."""
        chosen = {
            "deployment_id": {"any_": [self.deployment(name)["id"]]},
            "state": {"type": {"not_any_": ["SCHEDULED"]}},
        }
        return self.server.call(
            "POST", "flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC", "flow_runs": chosen}
        )

    def logs(self, run: dict[str, Any]) -> list[str]:
        body = {
            "logs": {"flow_run_id": {"any_": [run["id"]]}},
            "sort": "TIMESTAMP_ASC",
            "limit": 200,
        }
        return [line["message"] for line in self.server.call("POST", "logs/filter", body)]

    def apply(self, file: Path | None = None) -> None:
        """Apply deployments as a user does by hand."""
        more = ["--prefect-file", str(file)] if file else []
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", *more]
        subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )

    def wait(self, condition: Any) -> Any:
        """Wait for a result that is not empty."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, (
                self.screen.read_text() + (self.home / "logs" / "worker.log").read_text()[-3000:]
            )
            time.sleep(1)
        return found


@pytest.fixture(scope="module")
def up(
    made_package: tuple[Path, Path], databases: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Up]:
    """`refrain up` in its own store, without SIGINT, as a script starts background jobs."""
    folder, catalog = made_package
    home = begin_store(tmp_path_factory.mktemp("up"), databases)
    prefect_port = free_port()
    mlflow_port = free_port()
    temporary = tmp_path_factory.mktemp("shared")
    (temporary / "runner_storage").write_text(
        "of another user: no folder of this name can be made here"
    )
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_TRACKING", "PREFECT_API", "PREFECT_HOME"))
    }
    environment = ours | {
        "REFRAIN_HOME": str(home),
        "REFRAIN_ALLOWED_PATHS": str(folder),  # the catalog is a parameter of the run
        "PIP_INDEX_URL": folder.as_uri(),
        "PIP_FIND_LINKS": str(folder),
        "PIP_EXTRA_INDEX_URL": "",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(temporary),
    }
    screen = home / "screen"
    command = [
        sys.executable,
        "-m",
        "refrain",
        "up",
        "--prefect-port",
        str(prefect_port),
        "--mlflow-port",
        str(mlflow_port),
    ]
    with screen.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    api = f"http://127.0.0.1:{prefect_port}/api"
    found = Up(
        process,
        environment | {"PREFECT_API_URL": api, "PREFECT_HOME": str(home / "prefect")},
        home,
        screen,
        catalog,
        Server(api),
    )
    try:
        found.wait(lambda: "Ctrl-C stops all" in screen.read_text() or process.poll() is not None)
        assert process.poll() is None, screen.read_text()
        kept = re.search(rf"export {AUTH}=(\S+)", (home / "up.env").read_text())
        assert kept
        auth = kept[1]
        found.server = Server(api, auth)
        found.environment["PREFECT_API_AUTH_STRING"] = auth
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def scheduled_run(up: Up) -> dict[str, Any]:
    """A finished run that a schedule of the dashboard started at its minute."""
    parameters = {"dataset": "made_sentiment", "catalog": str(up.catalog), "settings": QUICK}
    schedule = {
        "schedule": {"cron": "* * * * *", "timezone": "UTC"},
        "active": True,
        "parameters": parameters,
    }
    up.add_schedule("rotten_tomatoes", schedule)
    up.wait(lambda: up.runs("rotten_tomatoes"))
    up.remove_schedule("rotten_tomatoes", "* * * * *")  # or each minute had a run
    return up.wait(lambda: [run for run in up.runs("rotten_tomatoes") if run["end_time"]])[0]


@pytest.mark.case("A1")
def test_server_has_scheduled_runs_of_every_deployment_with_a_schedule(up: Up) -> None:
    expected = {
        entry["name"]
        for entry in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
        if entry.get("schedules")
    }
    screen = up.screen.read_text()
    found = up.server.next_runs()
    datasets = {"rotten_tomatoes", "msra", "tatoeba_en_fr", "irish_tunes"}
    monitors = {f"monitor-{name}" for name in datasets}
    assert set(found) == expected == datasets | monitors | {"reconcile"}
    assert all(found.values())
    for name, time_text in found.items():
        assert f"next: {name:<18} {time_text[:10]}" in screen


@pytest.mark.case("A1")
def test_dashboard_schedule_starts_a_run_that_registers_a_model(
    up: Up, scheduled_run: dict[str, Any]
) -> None:
    assert scheduled_run["state_type"] == "COMPLETED", "\n".join(up.logs(scheduled_run))
    assert scheduled_run["auto_scheduled"]
    command = [sys.executable, "-m", "refrain", "models", "--json"]
    listed = subprocess.run(
        command,
        cwd=ROOT,
        env=up.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert [model["model"] for model in json.loads(listed.stdout)] == ["made_sentiment"]


@pytest.mark.case("A2")
def test_run_page_shows_the_log_lines_of_the_stages(up: Up, scheduled_run: dict[str, Any]) -> None:
    lines = "\n".join(up.logs(scheduled_run))
    for part in ("epoch 1", "training on", "baseline bag_of_words"):
        assert part in lines


def triggers(up: Up) -> dict[str, bool]:
    return {each["name"]: each["enabled"] for each in up.server.automations()}


@pytest.fixture(scope="module")
def triggers_before(up: Up) -> dict[str, bool]:
    """The triggers of the first start, before changes in the dashboard and another application."""
    before = triggers(up)
    (schedule,) = (msra := up.deployment("msra"))["schedules"]
    path = f"deployments/{msra['id']}/schedules/{schedule['id']}"
    up.server.call("PATCH", path, {"active": False})
    up.server.call("PATCH", f"deployments/{up.deployment('irish_tunes')['id']}", {"paused": True})
    up.add_schedule(
        "tatoeba_en_fr", {"schedule": {"cron": "0 5 * * *", "timezone": "UTC"}, "active": True}
    )
    (trigger,) = (each for each in up.server.automations() if each["name"] == "retrain-msra")
    up.server.call("PATCH", f"automations/{trigger['id']}", {"enabled": False})
    changed = (ROOT / "prefect.yaml").read_text().replace('cron: "0 3 * * 6"', 'cron: "30 4 * * 6"')
    file = ROOT / f"prefect-{os.getpid()}.yaml"  # entrypoints are relative to the file's folder
    try:
        file.write_text(changed)
        with up.server.pauses_kept():  # what `up` does around it
            up.apply(file)
    finally:
        file.unlink()
    return before


def test_triggers_are_applied_once_and_one_that_was_switched_off_stays_off(
    up: Up, triggers_before: dict[str, bool]
) -> None:
    expected = {f"retrain-{n}" for n in ("rotten_tomatoes", "msra", "tatoeba_en_fr", "irish_tunes")}
    assert triggers_before == dict.fromkeys(expected, True)
    assert len(up.server.automations()) == len(expected)
    assert triggers(up) == dict.fromkeys(expected, True) | {"retrain-msra": False}


@pytest.mark.case("A3")
@pytest.mark.usefixtures("triggers_before")
def test_changes_in_the_dashboard_survive_applying_the_file_again(up: Up) -> None:
    schedule = up.deployment("msra")["schedules"][0]
    assert (schedule["active"], schedule["schedule"]["cron"]) == (False, "30 4 * * 6")
    assert sorted(
        schedule["schedule"]["cron"] for schedule in up.deployment("tatoeba_en_fr")["schedules"]
    ) == [
        "0 3 * * 0",
        "0 5 * * *",
    ]
    up.apply()  # by hand, with nothing around it
    schedule = up.deployment("msra")["schedules"][0]
    assert (schedule["active"], schedule["schedule"]["cron"]) == (False, "0 3 * * 6")
    assert list(up.server.paused())[-1] == "msra: schedule weekly is paused"


def test_an_event_about_a_dataset_starts_its_retraining(up: Up) -> None:
    """The run is scheduled only: its worker is busy elsewhere, and it would train for minutes."""
    resource = "refrain.dataset.tatoeba_en_fr"
    command = [sys.executable, "-m", "prefect", "event", "emit", "refrain.source-updated"]
    subprocess.run(
        [*command, "--resource-id", resource],
        cwd=ROOT,
        env=up.environment,
        capture_output=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    chosen = {"deployment_id": {"any_": [up.deployment("tatoeba_en_fr")["id"]]}}

    def started() -> list[dict[str, Any]]:
        runs = up.server.call("POST", "flow_runs/filter", {"flow_runs": chosen})
        return [run for run in runs if not run["auto_scheduled"]]

    (run,) = up.wait(started)
    assert run["created_by"]["type"] == "AUTOMATION"
    assert run["parameters"]["dataset"] == "tatoeba_en_fr"
    up.server.call("POST", f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})


@pytest.mark.case("A4")
def test_second_up_on_the_same_store_raises_with_the_address_of_the_first(up: Up) -> None:
    command = [
        sys.executable,
        "-m",
        "refrain",
        "up",
        "--prefect-port",
        str(free_port()),
        "--mlflow-port",
        str(free_port()),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=up.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"already runs on {up.home} (process {up.process.pid})" in done.stderr
    assert up.server.api.removesuffix("/api") in done.stderr


def test_only_dashboard_pages_with_the_password_can_change_anything(up: Up, tmp_path: Path) -> None:
    port = int(up.server.api.split(":")[2].removesuffix("/api"))
    mlflow_port = int(re.search(r"MLflow UI +http://127.0.0.1:(\d+)", up.screen.read_text())[1])
    before = len(up.server.deployments())
    for attack in attacks(port):
        assert prefect_commands(port, attack, tmp_path / "marker") == [], attack
    foreign = [each for each in attacks(mlflow_port) if "example.org" in f"{each}"]
    assert len(foreign) == 5
    for attack in foreign:
        assert mlflow_commands(mlflow_port, attack) == [], attack
    assert len(up.server.deployments()) == before


def test_password_is_in_no_process_list_and_no_log(up: Up) -> None:
    password = up.environment["PREFECT_API_AUTH_STRING"].partition(":")[2]
    assert len(password) > 20
    shown = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _reads(path, password)]
    assert shown == []
    logs = [*(up.home / "logs").glob("*.log"), up.screen]
    assert [log for log in logs if password in log.read_text()] == []


def test_command_in_the_same_store_finds_the_password(up: Up) -> None:
    ours = {name: value for name, value in up.environment.items() if name != AUTH}
    script = f"""
from refrain.environment import prepare
prepare()
from prefect.settings import PREFECT_API_URL
from refrain.engine import check_password
check_password(PREFECT_API_URL.value())
import os; del os.environ["{AUTH}"]
from prefect.settings import {AUTH}, temporary_settings
with temporary_settings({{{AUTH}: "refrain:wrong"}}):
    check_password(PREFECT_API_URL.value())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=ours,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = done.stderr.strip().splitlines()[-1]
    assert "wants another password than that of PREFECT_API_AUTH_STRING" in found
    assert f"source {up.home / 'up.env'}" in found


@pytest.mark.case("A4")
def test_mlflow_starts_no_job_processes(up: Up) -> None:
    parents = {int(stat[0]): int(stat[3]) for stat in _stats()}
    children = {process for process, parent in parents.items() if parent == up.process.pid}
    assert len(children) == 3
    group = [stat for stat in _stats() if int(stat[4]) in children]
    assert len(group) <= 6, group  # two of MLflow, the others one each, and a flow run


@pytest.mark.case("A1")
def test_no_log_contains_an_error(up: Up, scheduled_run: dict[str, Any]) -> None:
    for log in (up.home / "logs").glob("*.log"):
        assert list(Service("any", up.process, log).new_faults()) == [], log


@pytest.mark.case("C12")
def test_ctrl_c_stops_everything_within_seconds(up: Up) -> None:
    started = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 130
    assert time.monotonic() - started < 15
    left = [
        path
        for path in Path("/proc").glob("[0-9]*/environ")
        if _holds(path, f"REFRAIN_HOME={up.home}")
    ]
    assert left == []
    assert json.loads((up.home / "up.json").read_text())["process"] is None
    assert "Traceback" not in up.screen.read_text()


@pytest.mark.case("A4")
def test_logs_of_earlier_starts_are_kept_up_to_a_limit(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    for number in range(9):
        rotate(log)
        log.write_text(str(number))
    rotate(log)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        f"worker.{i}.log": str(9 - i) for i in range(1, 6)
    }


@pytest.mark.case("A1")
def test_error_in_a_log_is_shown_once_and_an_info_line_never(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    error = "12:00:0{} | ERROR   | prefect.server.services.scheduler - Unexpected error\n"
    log.write_text(
        "12:00:00 | INFO    | all is well\n" + error.format(1) + error.format(2) + "half a li"
    )
    service = Service("server", subprocess.Popen(["true"]), log)
    assert list(service.new_faults()) == [error.format(1).strip()]
    with log.open("a") as more:
        more.write("ne\nTraceback (most recent call last):\n")
    assert list(service.new_faults()) == ["Traceback (most recent call last):"]
    assert list(service.new_faults()) == []


@pytest.mark.case("C12")
def test_services_are_stopped_together_and_an_unresponsive_one_is_killed(store: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(99)"
    )
    services = [start(f"deaf-{i}", [sys.executable, "-c", deaf], os.environ) for i in range(3)]
    while not all("ready" in service.log.read_text() for service in services):
        time.sleep(0.05)
    started = time.monotonic()
    stop(services)
    assert time.monotonic() - started < 14
    assert [service.process.returncode for service in services] == [-signal.SIGKILL] * 3


@pytest.mark.case("A4")
def test_ended_service_raises_with_the_end_of_its_log(store: Path) -> None:
    service = start(
        "short", [sys.executable, "-c", "print('no port is free'); raise SystemExit(3)"], os.environ
    )
    service.process.wait()
    with pytest.raises(
        ValueError, match=r"(?s)short ended with status 3. The end of .*short.log:\nno port is free"
    ):
        service.check()


def _stats() -> list[list[str]]:
    """The fields of each process: its number, name, state, parent, group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = path.read_text().rpartition(")")
        except OSError:
            continue
        found.append([*before.split(" (", 1), *after.split()])
    return found


def _holds(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes().split(b"\0")
    except OSError:
        return False


def _reads(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False
