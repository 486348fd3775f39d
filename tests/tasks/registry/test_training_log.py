"""A finished training is logged completely, also after an outage or a deletion in MLflow."""

from dataclasses import asdict
from pathlib import Path

import pytest

from tasks.ingestion.snapshot_writer import REPORT
from tasks.pages.data import PAGE
from tasks.registry import mlflow_client, training_log, training_run
from tasks.registry.mlflow_library import MlflowException
from tasks.settings import TrainChanges
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.task_states import directly
from tasks.train import train
from tests.tasks.served import token_set_of

CHANGES = TrainChanges(max_epochs=2, embedding_size=4, hidden_size=4, batch_size=2)


def tokens_of_reviews() -> TokenSet:
    tokens = token_set_of("sentiment", "t")
    for report in (PAGE, REPORT):  # the run of a training keeps them
        (tokens.snapshot_of().folder / report).write_text("made")
    return tokens


def points_of(run_id: str) -> set[tuple[str, int, float]]:
    client = mlflow_client.client()
    return {
        (name, point.step, point.value)
        for name in client.get_run(run_id).data.metrics
        if not name.startswith("system/")  # only a training that runs has them
        for point in client.get_metric_history(run_id, name)
    }


def away(*_: object, **__: object) -> None:
    raise MlflowException("API request to http://me:secret@host failed: Max retries exceeded")


def test_outage_at_the_end_keeps_the_checkpoint_and_the_next_run_logs_the_rest(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = tokens_of_reviews()
    with monkeypatch.context() as patch:
        patch.setattr(training_log, "log_file", away)
        with pytest.raises(
            OSError, match=r"the training is done, but .*MLFLOW_TRACKING_URI"
        ) as error:
            directly(train, tokens, CHANGES)
    assert "secret" not in str(error.value)
    (manifest,) = (mlflow_store / "checkpoints").glob("*/manifest.json")
    assert list((mlflow_store / "spool").iterdir())
    written = (manifest.parent / "model.safetensors").stat().st_mtime_ns
    made = directly(train, tokens, CHANGES)
    assert (manifest.parent / "model.safetensors").stat().st_mtime_ns == written
    run = mlflow_client.client().get_run(made.mlflow_run)
    assert run.info.status == "FINISHED"
    artifacts = {item.path for item in mlflow_client.client().list_artifacts(made.mlflow_run)}
    assert artifacts >= {"history.json", "figures"}
    assert list((mlflow_store / "spool").iterdir()) == []


def test_training_of_a_deleted_run_is_logged_again_with_the_same_points(
    mlflow_store: Path,
) -> None:
    tokens = tokens_of_reviews()
    first = directly(train, tokens, CHANGES)
    before = points_of(first.mlflow_run)
    mlflow_client.client().delete_run(first.mlflow_run)
    again = directly(train, tokens, CHANGES)
    assert again.mlflow_run != first.mlflow_run
    assert points_of(again.mlflow_run) == before
    assert asdict(again) == asdict(first) | {"mlflow_run": again.mlflow_run}
    assert Checkpoint.find(again.dataset, again.digest) == again


def test_outage_raises_instead_of_closing_a_run(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow_client.client()
    monkeypatch.setattr(type(client), "get_run", away)
    with pytest.raises(MlflowException):
        training_run.is_open_to_logs("x")
