"""The task that registers, with a real model: once, completely, with its lineage."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tasks import register as stage
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.register import register
from tasks.registry import mlflow_client, versions
from tasks.registry.lineage import git_commit, libraries
from tasks.registry.version_facts import all_facts
from tasks.registry.version_files import local_folder, recorded_files
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint, Scores, TokenSet
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train
from tests.conftest import write_reviews
from tests.tasks.growing import of_files

SETTINGS = read_settings(
    {
        "tokens": {"min_frequency": 1},
        "training": {"embedding_size": 4, "hidden_size": 4, "max_epochs": 1, "seed": 3},
    }
)
Made = tuple[Checkpoint, TokenSet, Scores]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A tiny training, in a store that the tests below share."""
    folder = tmp_path_factory.mktemp("registered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(folder / "store"))
        write_reviews(folder / "rows.csv", 60)
        catalog = str(of_files(folder, all="rows.csv").file)
        tokens = directly(tokenize, directly(ingest, "made", catalog), SETTINGS.tokens, catalog)
        checkpoint = directly(train, tokens, SETTINGS.training)
        yield checkpoint, tokens, directly(evaluate, checkpoint, tokens)


def another(checkpoint: Checkpoint, digest: str) -> Checkpoint:
    """A checkpoint with the same files."""
    made = replace(checkpoint, digest=digest)
    shutil.copytree(checkpoint.folder, made.folder)
    return made


def numbers() -> list[str]:
    return sorted(str(info.version) for info in versions.versions_of("made"))


def test_register_creates_one_complete_version_with_alias_challenger(made: Made) -> None:
    first = directly(register, *made)
    assert numbers() == [first.version]
    info = versions.check_complete("made", first.version)
    files = recorded_files(info.tags)
    assert {"artifacts/model/model.safetensors", "MLmodel"} <= set(files)
    code = all_facts(info)["refrain.code"]
    assert any(path.startswith(f"code/{code}/tasks/") for path in files)
    again = register.fn(*made)
    assert (again.name, again.data) == ("Unchanged", first)  # type: ignore[attr-defined]
    assert numbers() == [first.version]
    assert mlflow_client.version_with_alias("made", "challenger") == first.version


def test_registered_version_records_its_inputs(made: Made) -> None:
    checkpoint, tokens, scores = made
    info = versions.check_complete("made", directly(register, *made).version)
    facts = all_facts(info)
    expected = {
        "refrain.snapshot": tokens.snapshot,
        "refrain.tokens": tokens.digest,
        "refrain.checkpoint": checkpoint.digest,
        "refrain.scores": scores.digest,
        "refrain.seed": "3",
        "refrain.git_commit": git_commit(),
    }
    assert {name: facts[name] for name in expected} == expected
    assert json.loads(facts["refrain.libraries"]) == libraries()
    assert "refrain.flow_run" not in facts  # there was none
    assert len(info.tags) <= 15


@pytest.mark.parametrize("name", ["artifacts/model/model.safetensors", "MLmodel"])
def test_a_damaged_file_of_a_version_is_restored(made: Made, name: str) -> None:
    version = directly(register, *made)
    info = versions.check_complete("made", version.version)
    folder = local_folder(versions.model_id_of(info))
    assert folder
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(before[:-3])
    with pytest.raises(OSError, match=rf"made version {version.version} is damaged: .*{name} has"):
        versions.check_files("made", version.version)
    assert directly(register, *made) == version
    versions.check_files("made", version.version)
    assert mlflow_client.models_of_run(made[0].mlflow_run).keys() == {versions.model_id_of(info)}
    if name != "MLmodel":
        assert (folder / name).read_bytes() == before


def test_newer_scores_update_the_tags_of_the_same_version(made: Made) -> None:
    checkpoint, tokens, scores = made
    number = directly(register, *made).version
    later = replace(scores, digest="newer")
    shutil.copytree(scores.folder, later.folder, dirs_exist_ok=True)
    newer = directly(register, checkpoint, tokens, later)
    assert (newer.version, newer.scores) == (number, "newer")
    assert versions.check_complete("made", number).tags["refrain.scores"] == "newer"
    directly(register, *made)
    assert versions.check_complete("made", number).tags["refrain.scores"] == scores.digest


def test_killed_registration_is_completed_as_the_same_version(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, tokens, scores = made
    other = another(checkpoint, "killed")
    before = numbers()

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            mlflow_client, "set_version_tag", killed
        )  # the last tag, after which a version counts
        with pytest.raises(KeyboardInterrupt):
            directly(register, other, tokens, scores)
    half = (set(numbers()) - set(before)).pop()
    info = versions.version_info("made", half)
    assert info is not None
    assert {"refrain.scores", "refrain.snapshot", "refrain.metric"} <= set(info.tags)
    assert "refrain.complete" not in info.tags
    assert mlflow_client.version_with_alias("made", "challenger") != half
    with monkeypatch.context() as patch:
        patch.setattr(stage, "log_model", killed)  # nothing is logged again
        assert directly(register, other, tokens, scores).version == half
    assert mlflow_client.version_with_alias("made", "challenger") == half


def test_model_left_by_a_killed_registration_is_deleted_and_others_are_kept(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    def models() -> set[str]:
        return set(mlflow_client.models_of_run(made[0].mlflow_run))

    checkpoint, tokens, scores = made
    directly(register, *made)
    other, client = another(checkpoint, "left"), mlflow_client.client()
    with monkeypatch.context() as patch:
        patch.setattr(stage, "lock_scope", lambda: "another machine")
        patch.setattr(stage, "make_version", killed)
        with pytest.raises(KeyboardInterrupt):
            directly(register, other, tokens, scores)
    theirs = client.create_logged_model(
        mlflow_client.experiment("made"), source_run_id=checkpoint.mlflow_run
    ).model_id
    before = models()
    with monkeypatch.context() as patch:
        patch.setattr(stage, "make_version", killed)
        with pytest.raises(KeyboardInterrupt):
            directly(register, other, tokens, scores)
    (left,) = models() - before
    version = directly(register, other, tokens, scores).version
    info = versions.check_complete("made", version)
    assert models() - before == {info.source.removeprefix("models:/")} != {left}
    assert theirs in before <= models()


def test_changed_serving_code_makes_a_new_version(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = made[0]
    keys = {stage.version_key(checkpoint, code) for code in ("refrain_a", "refrain_b")}
    assert len(keys | {stage.version_key(replace(checkpoint, digest="other"), "refrain_a")}) == 3


def test_threads_that_register_the_same_training_get_the_same_version(made: Made) -> None:
    checkpoint, tokens, scores = made
    before, found = numbers(), list[str]()
    other = another(checkpoint, "threads")
    threads = [
        threading.Thread(
            target=lambda: found.append(directly(register, other, tokens, scores).version)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(found) == set(numbers()) - set(before)
