"""The shell completes names of datasets and models."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refrain.completion import dataset_names, model_names
from tests.tasks.trained import versioned


def test_names_of_datasets_and_models_are_completed(mlflow_store: Path) -> None:
    versioned("made", "key")
    assert list(dataset_names("rotten")) == ["rotten_tomatoes"]
    assert list(model_names("ma")) == ["made"]
    assert list(model_names("other")) == []


def test_a_catalog_that_cannot_be_read_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRAIN_CATALOG", "/nowhere/catalog.yaml")
    assert list(dataset_names("")) == []


def test_bash_gets_the_names(store: Path) -> None:
    asked = {
        "_REFRAIN_COMPLETE": "complete_bash",
        "COMP_WORDS": "refrain run irish",
        "COMP_CWORD": "2",
    }
    script = "from refrain.app import app; app(prog_name='refrain')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.split() == ["irish_tunes"], done.stderr
