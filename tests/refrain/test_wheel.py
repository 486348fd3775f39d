"""The wheel in an environment without the repository: a project is made, retrained, scheduled."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from refrain.commands.project import make_project
from refrain.deployments import Server
from refrain.services import free_port
from tasks.store.installation import ROOT
from tests.refrain.test_up import AUTH, Up

NAMES = ("data", "tasks", "flows")  # that the wheel must leave to others


@pytest.fixture(scope="session")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the wheel, and libraries of the tests' environment."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\n"):
        if name and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    python = folder / "environment" / "bin" / "python"
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    subprocess.run(
        [*build, "-w", str(folder), str(folder / "source")], check=True, env=environment()
    )
    make = [sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")]
    subprocess.run(make, check=True, env=environment())
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install = [*pip, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, env=environment())
    # A path in a .pth file is searched, but .pth files there are not run: so our editable
    # installation is not found through it.
    site = python.parents[1] / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


@pytest.fixture(scope="session")
def project(bin_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made by ``refrain init``, with user modules named like ours."""
    folder = tmp_path_factory.mktemp("projects")
    run(bin_folder, folder, "init", "shop")
    for name in NAMES:
        (folder / "shop" / f"{name}.py").write_text(f"VALUE = {name!r}\n")
    return folder / "shop"


def environment() -> dict[str, str]:
    """The environment of a user: no variables of the tests, one thread."""
    ours = ("REFRAIN_", "PREFECT_", "MLFLOW_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"OMP_NUM_THREADS": "1"}


def run(bin_folder: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [str(bin_folder / "refrain"), *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def retrained(bin_folder: Path, project: Path) -> list[dict[str, object]]:
    """The output of ``refrain run`` in the project."""
    found: list[dict[str, object]] = json.loads(run(bin_folder, project, "run", "--json"))
    return found


def test_wheel_installs_no_common_top_level_names(bin_folder: Path, tmp_path: Path) -> None:
    script = (
        "import importlib.util as u, refrain, rnn_models.layers.crf;"
        f"print([name for name in {NAMES} if u.find_spec(name)], refrain, rnn_models)"
    )
    done = subprocess.run(
        [str(bin_folder / "python"), "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("[] ")
    assert str(ROOT) not in done.stdout


def test_new_project_trains_a_champion_in_its_own_store(
    bin_folder: Path, project: Path, retrained: list[dict[str, object]]
) -> None:
    assert [row["dataset"] for row in retrained] == ["reviews"]
    assert retrained[0]["champion"] == "1", retrained
    assert (project / ".refrain" / "mlflow.db").is_file()
    shown = run(bin_folder, project, "predict", "reviews", "The screen is not awful at all.")
    assert shown.splitlines()[0] in ("positive", "negative")


def test_second_run_repeats_nothing(
    bin_folder: Path, project: Path, retrained: list[dict[str, object]]
) -> None:
    again = json.loads(run(bin_folder, project, "run", "--json"))
    assert again[0]["version"] == retrained[0]["version"]
    assert len(list((project / ".refrain" / "checkpoints").glob("*/manifest.json"))) == 1


def test_schedule_of_the_project_starts_a_run_at_its_minute(
    bin_folder: Path, project: Path, retrained: list[dict[str, object]]
) -> None:
    path = project / "prefect.yaml"
    path.write_text(path.read_text().replace('cron: "0 2 * * *"', 'cron: "* * * * *"'))
    port, screen = free_port(), project / "screen"
    ports = ["--prefect-port", str(port), "--mlflow-port", str(free_port())]
    with screen.open("w") as file:
        process = subprocess.Popen(
            [str(bin_folder / "refrain"), "up", *ports],
            cwd=project,
            env=environment(),
            stdout=file,
            stderr=file,
        )
    server = Server(f"http://127.0.0.1:{port}/api")
    found = Up(process, environment(), project / ".refrain", screen, project, server)
    try:
        found.wait(lambda: "Ctrl-C stops all" in screen.read_text() or process.poll() is not None)
        assert process.poll() is None, screen.read_text()
        kept = (project / ".refrain" / "up.env").read_text()
        found.server = Server(server.api, kept.partition(f"export {AUTH}=")[2].split()[0])
        ended = found.wait(lambda: [run for run in found.runs("reviews") if run["end_time"]])[0]
        assert ended["state"]["type"] == "COMPLETED", found.logs(ended)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_init_does_not_change_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty: name a new folder"):
        make_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
