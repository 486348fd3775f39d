"""``refrain open`` finds the pages of a dataset in both dashboards of the store."""

from pathlib import Path
from typing import Any

import pytest

from refrain import pages
from refrain.deployments import Server
from refrain.doctor.surroundings import UpState
from refrain.pages import open_pages, pages_of
from tasks.registry import mlflow_client

ADDRESSES = {"Prefect dashboard": "http://127.0.0.1:4201", "MLflow UI": "http://127.0.0.1:5005"}


def test_both_pages_are_those_of_the_dataset(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = mlflow_client.experiment("reviews")
    up = UpState(ADDRESSES, 1, is_running=True)
    monkeypatch.setattr(pages, "read_up", lambda: up)
    known: list[dict[str, Any]] = [
        {"id": "a", "parameters": {"dataset": "names"}},
        {"id": "b", "parameters": {"dataset": "reviews"}},
    ]
    monkeypatch.setattr(Server, "deployments", lambda self: known)
    assert pages_of("reviews") == {
        "Prefect": "http://127.0.0.1:4201/deployments/deployment/b",
        "MLflow": f"http://127.0.0.1:5005/#/experiments/{number}?workflowType=machine_learning",
    }
    assert pages_of("other")["Prefect"] == "http://127.0.0.1:4201/runs"


def test_without_dashboards_a_sentence_names_the_command(store: Path) -> None:
    with pytest.raises(ValueError, match="refrain up starts them"):
        pages_of("reviews")


@pytest.mark.parametrize("has_screen", [True, False])
def test_pages_are_opened_where_there_is_a_screen(
    has_screen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(pages.webbrowser, "open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pages.sys, "platform", "linux")
    if has_screen:
        monkeypatch.setenv("DISPLAY", ":0")
    open_pages(["http://h/1", "http://h/2"])
    assert opened == (["http://h/1", "http://h/2"] if has_screen else [])
