"""The folder of the user's project."""

from pathlib import Path

import pytest

from tasks.store.installation import ROOT, project


def test_a_folder_with_a_catalog_is_the_project(tmp_path, monkeypatch):
    (tmp_path / "catalog.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert project() == tmp_path


@pytest.mark.parametrize("name", ["prefect.yaml", "notes.yaml"])
def test_another_prefect_project_is_not_taken_for_a_project_of_refrain(
    name: str, tmp_path: Path, monkeypatch
):
    (tmp_path / name).write_text("deployments: []\n")
    monkeypatch.chdir(tmp_path)
    assert project() == ROOT
