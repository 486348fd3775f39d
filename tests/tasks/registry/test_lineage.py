"""The lineage of a version: flow run, commit, libraries and user."""

import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from tasks.registry import lineage, mlflow_client
from tasks.registry.lineage import flow_run_now, git_commit, libraries, person

RUN = "01234567-89ab-cdef-0123-456789abcdef"
PAGE = f"/runs/flow-run/{RUN}"


@pytest.mark.parametrize(
    ("settings", "page"),
    [
        ({PREFECT_API_URL: None}, f"http://127.0.0.1:4200{PAGE}"),
        ({PREFECT_API_URL: "http://127.0.0.1:4311/api"}, f"http://127.0.0.1:4311{PAGE}"),
        (
            {PREFECT_API_URL: "https://flows.example.org/prefect/api"},
            f"https://flows.example.org/prefect{PAGE}",
        ),
        (
            {
                PREFECT_API_URL: "http://prefect:4200/api",
                PREFECT_UI_URL: "https://flows.example.org",
            },
            f"https://flows.example.org{PAGE}",
        ),
        ({PREFECT_API_URL: "http://joe:hunter2@10.0.0.1:4200/api"}, f"http://10.0.0.1:4200{PAGE}"),
    ],
)
def test_flow_run_url_points_to_the_dashboard(
    settings: dict[object, str | None], page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", RUN)
    with temporary_settings(settings):  # type: ignore[arg-type]
        assert flow_run_now() == (str(UUID(RUN)), page)


def test_flow_run_url_is_empty_outside_a_flow_run() -> None:
    assert flow_run_now() == ("", "")


def test_links_to_mlflow_contain_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_client, "CHOSEN_URI", "https://joe:hunter2@mlflow.example.org/")
    assert (
        mlflow_client.version_link("made", "3")
        == "https://mlflow.example.org/#/models/made/versions/3?workflowType=machine_learning"
    )
    monkeypatch.setattr(mlflow_client, "CHOSEN_URI", "sqlite:////srv/mlflow.db")
    assert (
        mlflow_client.version_link("made", "3")
        == "http://127.0.0.1:5000/#/models/made/versions/3?workflowType=machine_learning"
    )


def test_commit_is_that_of_the_project_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=joe", "-c", "user.email=joe@example.org"]
        return subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    monkeypatch.setattr(lineage, "ROOT", tmp_path)
    assert git_commit() == ""
    git("init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    git("add", "code.py")
    git("commit", "--quiet", "--message", "one")
    assert git_commit() == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("x = 2\n")
    assert git_commit() == git("rev-parse", "HEAD") + "-dirty"
    (tmp_path / "site-packages").mkdir()  # installed within the repository of a user
    monkeypatch.setattr(lineage, "ROOT", tmp_path / "site-packages")
    assert git_commit() == ""


def test_lineage_names_libraries_and_user() -> None:
    assert {"python", "torch", "mlflow"} <= set(libraries())
    assert all(part for part in person().split("@"))
