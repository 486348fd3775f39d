"""Artifacts of trainings, made by hand, and their versions in a real MLflow."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.registry import mlflow_client, versions
from tasks.store.artifacts import Checkpoint, Promotion, Scores, Snapshot, TokenSet
from tasks.store.code import digest

METRICS = {"accuracy": {"value": 50.0, "low": 40.0, "high": 60.0, "signature": ""}}


def trained(snapshot: Snapshot, settings: str = "") -> Scores:
    """A token set, a checkpoint and scores of a snapshot, each with a file of its own."""
    name = snapshot.dataset
    key = digest(snapshot.digest, settings)
    tokens = TokenSet(
        dataset=name,
        digest=digest(snapshot.splits),
        problem="sentiment",
        tokenizer="words",
        snapshot=snapshot.digest,
        rows={},
        sizes={},
        limit=0,
        test_split=snapshot.splits["test"],
        settings={},
    )
    checkpoint = Checkpoint(
        dataset=name,
        digest=key,
        problem="sentiment",
        tokens=tokens.digest,
        mlflow_run="",
        epochs=1,
        best_epoch=1,
        validation_loss=1.0,
        clipped_share=0.0,
        train_seconds=1.0,
        num_parameters=1,
        settings={},
    )
    scores = Scores(
        dataset=name,
        digest=key,
        problem="sentiment",
        checkpoint=key,
        tokens=tokens.digest,
        mlflow_run="",
        test_split=tokens.test_split,
        metrics=METRICS,
        baselines={},
    )
    for artifact in (tokens, checkpoint, scores):
        artifact.folder.mkdir(parents=True, exist_ok=True)
        (artifact.folder / "content.bin").write_bytes(b"0123456789")
        artifact.commit()
    return scores


def registered(scores: Scores, *aliases: str) -> str:
    """A version of these scores in MLflow, with aliases."""
    client = mlflow_client.client()
    name = scores.dataset
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    tokens = TokenSet.find(name, scores.tokens)
    made = client.create_model_version(
        name,
        source=str(scores.folder),
        tags={
            versions.SCORES: scores.digest,
            versions.SNAPSHOT: tokens.snapshot if tokens else "",
        },
    )
    for alias in aliases:
        mlflow_client.set_alias(name, alias, made.version)
    return str(made.version)


def decided(scores: Scores, version: str) -> Promotion:
    """A line of the ledger for a version."""
    made = Promotion(
        dataset=scores.dataset,
        digest=digest("promotion", scores.digest),
        version=version,
        is_promoted=True,
        reason="first",
        metric="accuracy",
        challenger_score=50.0,
        champion_version="",
        champion_score=None,
        scores=scores.digest,
        mlflow_run="",
    )
    made.folder.mkdir(parents=True)
    return made.commit()


def logged(name: str) -> str:
    """The id of a model of two files in a real MLflow, as ``log_model`` leaves one."""
    client = mlflow_client.client()
    model = client.create_logged_model(
        mlflow_client.experiment(name), name="model", source_run_id=run_of(name)
    )
    with TemporaryDirectory() as folder:
        (Path(folder) / "artifacts" / "model").mkdir(parents=True)
        (Path(folder) / "artifacts" / "model" / "weights.bin").write_bytes(b"0123456789")
        (Path(folder) / "MLmodel").write_text("made by hand")
        client.log_model_artifacts(model.model_id, folder)
    return str(client.finalize_logged_model(model.model_id, "READY").model_id)


def run_of(name: str) -> str:
    """An empty MLflow run."""
    return str(mlflow_client.client().create_run(mlflow_client.experiment(name)).info.run_id)


def versioned(name: str, key: str, *, is_complete: bool = True) -> str:
    """A version with a key; without its last tag, it is that of a killed registration."""
    number = versions.make_version(name, key, logged(name), run_of(name), tags={}, files={})
    if not is_complete:
        mlflow_client.set_version_tag(name, number, versions.COMPLETE, "")
    return number
