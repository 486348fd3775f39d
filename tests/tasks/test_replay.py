"""A version trained again: identical bits, or the differences and causes; nothing changes."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rnn_models.checkpoints.weight_diff import read_weights
from tasks.ingest import ingest
from tasks.pages.replay import describe_result, replay_text
from tasks.registry import mlflow_client, replay_report
from tasks.registry.registered_model import download
from tasks.registry.registered_training import Past, find_past
from tasks.registry.replay_report import Replay, compared, facts_of
from tasks.registry.version_facts import all_facts
from tasks.registry.versions import versions_of
from tasks.replay import train_again
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint, Snapshot, TokenSet
from tasks.store.home import home
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train
from tests.conftest import write_reviews
from tests.tasks.growing import of_files
from tests.tasks.served import TABLES, Served, registered, trained
from tests.tasks.trained import logged, versioned

Made = dict[str, Served]


@pytest.fixture(scope="module")
def shared(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """A store with a small training of every problem, registered."""
    folder = tmp_path_factory.mktemp("replayed")
    (folder / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(folder))
        return folder, {problem: trained(problem) for problem in TABLES}


@pytest.fixture
def made(shared: tuple[Path, Made], monkeypatch: pytest.MonkeyPatch) -> Made:
    """The same, with REFRAIN_HOME set to the store."""
    monkeypatch.setenv("REFRAIN_HOME", str(shared[0]))
    return shared[1]


def store_content() -> dict[str, Any]:
    """Every file of the store, and the content of MLflow."""
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home().rglob("*")
        if path.is_file()
    }
    client = mlflow_client.client()
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    models = client.search_registered_models()
    models = [
        (m.name, dict(m.aliases), [(v.version, dict(v.tags)) for v in versions_of(m.name)])
        for m in models
    ]
    return {"runs": len(runs), "models": models} | {
        name: kept for name, kept in files.items() if "mlflow.db" not in name
    }


def changed(served: Served, folder: Path, change: Callable[[Path], None], **tags: str) -> str:
    """Another version of the same tags whose files were changed by hand."""
    files = download(served.version.name, served.version.version, folder / "changed")
    client = mlflow_client.client()
    change(files / "artifacts" / "model")
    known = all_facts(client.get_model_version(served.version.name, served.version.version))
    return str(
        client.create_model_version(
            served.version.name, source=files.as_uri(), tags={**known, **tags}
        ).version
    )


def with_setting(name: str, value: object) -> Callable[[Path], None]:
    def change(files: Path) -> None:
        built = json.loads((files / "model.json").read_text())
        built["settings"][name] = value
        (files / "model.json").write_text(json.dumps(built))

    return change


@pytest.mark.parametrize("problem", TABLES)
def test_replay_gives_identical_weights_and_changes_nothing_else(problem: str, made: Made) -> None:
    before = store_content()
    version = made[problem].version
    found = directly(train_again, version.name, version.version)
    assert (found.is_identical, found.num_differing, found.largest, found.worst) == (
        True,
        0,
        0.0,
        "",
    )
    assert (found.misfits, found.reasons, found.epochs) == ([], [], 2)
    weights = read_weights(made[problem].checkpoint.folder)
    assert (found.num_weights, len(found.tensors)) == (
        sum(each.numel() for each in weights.values()),
        len(weights),
    )
    assert (
        describe_result(found)
        == f"all {found.num_weights:,} weights in {len(weights)} tensors are bit-identical"
    )
    assert not any(fact.differs or not fact.then for fact in found.facts)
    assert store_content() == before


def test_replay_does_not_read_the_stored_checkpoint(made: Made) -> None:
    kept = made["ner"].checkpoint.folder / "model.safetensors"
    before = kept.read_bytes()
    kept.write_bytes(b"no weights")
    try:
        assert directly(train_again, "made_ner", "challenger").is_identical
    finally:
        kept.write_bytes(before)


def test_replay_reports_one_changed_bit_with_tensor_and_difference(
    made: Made, tmp_path: Path
) -> None:
    served = made["sentiment"]
    gap = []

    def flip(files: Path) -> None:
        weights = load_file(files / "model.safetensors")
        before = float(weights["project.bias"][1])
        weights["project.bias"].view(np.int32)[1] ^= 1
        gap.append(abs(float(weights["project.bias"][1]) - before))
        save_file(weights, files / "model.safetensors")

    found = directly(train_again, "made_sentiment", changed(served, tmp_path, flip))
    assert not found.is_identical
    assert (found.worst, found.num_differing, found.largest) == ("project.bias", 1, gap[0])
    assert found.share_differing == 1 / found.num_weights
    assert f"1 of {found.num_weights:,} weights" in describe_result(found)
    assert f"differs, by {gap[0]:.3g} at most, in project.bias" in describe_result(found)
    assert found.reasons == [
        "the weights in MLflow were changed: they differ from the checkpoint in "
        f"{served.checkpoint.folder}, "
        "which the replay reproduces bit by bit"
    ]
    text = replay_text(found)
    assert "| project.bias | 2 | 1 | by " in text
    assert "- the weights in MLflow were changed" in text


def test_replay_reports_a_changed_seed_as_the_cause(made: Made, tmp_path: Path) -> None:
    number = changed(made["sentiment"], tmp_path, with_setting("seed", 2))
    found = directly(train_again, "made_sentiment", number)
    assert found.share_differing > 0.5
    assert [reason.partition(":")[0] for reason in found.reasons] == ["settings", "seed"]
    assert found.reasons[1] == "seed: 1 then, 2 now"


def test_replay_reports_a_changed_shape_and_compares_the_rest(made: Made, tmp_path: Path) -> None:
    found = directly(
        train_again,
        "made_sentiment",
        changed(made["sentiment"], tmp_path, with_setting("hidden_size", 4)),
    )
    assert any(
        misfit.startswith("project.weight: expected float32 (2, ") for misfit in found.misfits
    )
    assert describe_result(found).startswith(f"{len(found.misfits)} tensors cannot be compared; ")
    assert "- project.weight: expected float32" in replay_text(found)


def test_replay_ignores_and_reports_a_setting_that_no_longer_exists(
    made: Made, tmp_path: Path
) -> None:
    number = changed(made["sentiment"], tmp_path, with_setting("wind", 3))
    assert find_past("made_sentiment", number).lost_settings == ["wind"]
    assert directly(train_again, "made_sentiment", number).is_identical


def replayed(past: Past, served: Served, weights: dict[str, Any]) -> Replay:
    return compared(past, weights, facts_of(past, served.tokens), epochs=2, minutes=0.1)


def off_by_one(past: Past) -> dict[str, Any]:
    weights = {name: tensor.clone() for name, tensor in past.weights.items()}
    weights["project.bias"] += 1
    return weights


@pytest.mark.parametrize(
    ("tag", "name", "expected"),
    [
        ("refrain.libraries", "torch", "torch: 1.0 then, "),
        ("refrain.libraries", "python", "python: 1.0 then, "),
        ("refrain.machine", "processor", "processor: 1.0 then, "),
        ("refrain.machine", "threads", "threads: 1.0 then, "),
        ("refrain.machine", "device", "device: 1.0 then, cpu now"),
    ],
)
def test_replay_reports_what_changed_since_when_weights_differ(
    tag: str, name: str, expected: str, made: Made
) -> None:
    past = find_past("made_sentiment", made["sentiment"].version.version)
    there = json.loads(past.tags[tag])
    other = replace(past, tags=past.tags | {tag: json.dumps(there | {name: "1.0"})})
    found = replayed(other, made["sentiment"], off_by_one(past))
    assert [reason[: len(expected)] for reason in found.reasons] == [expected]
    assert replayed(other, made["sentiment"], past.weights).reasons == []


def test_replay_reports_changed_code_with_both_commits(made: Made) -> None:
    past = find_past("made_ner", made["ner"].version.version)
    tags = past.tags | {"refrain.training_code": "other", "refrain.git_commit": "abc"}
    weights = {name: tensor + 1 for name, tensor in past.weights.items()}
    (reason,) = replayed(replace(past, tags=tags), made["ner"], weights).reasons
    assert reason.startswith(
        f"training code: other then, {past.tags['refrain.training_code']} now (commit abc then, "
    )


def test_replay_reports_missing_tags(made: Made) -> None:
    past = find_past("made_sentiment", made["sentiment"].version.version)
    tags = {name: value for name, value in past.tags.items() if name != "refrain.machine"}
    found = replayed(replace(past, tags=tags), made["sentiment"], off_by_one(past))
    assert found.reasons == [
        "the tags of the version lack: processor, instructions, threads, precision, device"
    ]
    assert "| device | not recorded | cpu |" in replay_text(found)


def test_replay_reports_a_difference_without_a_known_cause(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = find_past("made_sentiment", made["sentiment"].version.version)
    monkeypatch.setattr(Checkpoint, "find", lambda name, key: None)
    found = replayed(past, made["sentiment"], off_by_one(past))
    assert found.reasons == [
        "none of its tags differs now: replay it again; if the difference stays, "
        "its weights in MLflow were changed"
    ]


def test_replay_reports_a_training_that_a_time_limit_ended(made: Made) -> None:
    past = find_past("made_sentiment", made["sentiment"].version.version)
    timed = replace(past, settings=past.settings | {"max_minutes": 0.5})
    found = replayed(timed, made["sentiment"], off_by_one(past))
    assert found.reasons[-1].startswith("max_minutes is set: the number of steps")


@pytest.mark.parametrize(
    ("model", "version", "expected"),
    [
        ("made_sentimant", "1", "there is no model 'made_sentimant': did you mean made_sentiment?"),
        ("made_sentiment", "99", "made_sentiment has no version '99': expected one of 1, "),
        (
            "made_generation",
            "champion",
            "made_generation has no champion: name a version, as in made_generation/1",
        ),
        (
            "made_generation",
            "beta",
            "made_generation has no beta: name a version, as in made_generation/1",
        ),
    ],
)
def test_replay_raises_for_an_unknown_model_or_version(
    model: str, version: str, expected: str, made: Made
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        directly(train_again, model, version)


def test_replay_raises_for_incomplete_files(made: Made, tmp_path: Path) -> None:
    number = changed(
        made["sentiment"], tmp_path, lambda files: (files / "model.safetensors").unlink()
    )
    with pytest.raises(
        ValueError,
        match=rf"^made_sentiment version {number} .*, its files in MLflow are damaged",
    ):
        directly(train_again, "made_sentiment", number)


def test_replay_reports_differences_when_the_checkpoint_is_unreadable(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = find_past("made_sentiment", made["sentiment"].version.version)

    def damaged(folder: Path) -> None:
        raise ValueError("it is damaged")

    monkeypatch.setattr(replay_report, "read_weights", damaged)
    (reason,) = replayed(past, made["sentiment"], off_by_one(past)).reasons
    assert reason.endswith("with its checkpoint, which cannot be read: it is damaged")


def test_replay_treats_an_invalid_tag_as_missing(made: Made) -> None:
    past = find_past("made_sentiment", made["sentiment"].version.version)
    facts = facts_of(
        replace(
            past, tags=past.tags | {"refrain.machine": "my laptop", "refrain.libraries": "[1]"}
        ),
        made["sentiment"].tokens,
    )
    assert [fact.what for fact in facts if not fact.then] == [
        "python",
        "torch",
        "numpy",
        "processor",
        "instructions",
        "threads",
        "precision",
        "device",
    ]


def test_replay_accepts_the_model_references_of_predict(made: Made) -> None:
    assert (
        find_past("made_ner/1", "champion").number
        == find_past("made_ner@challenger", "champion").number
        == "1"
    )


def test_replay_raises_for_a_version_of_another_program(made: Made) -> None:
    model = logged("theirs")
    mlflow_client.create_version("theirs", model, "", {})
    with pytest.raises(
        ValueError,
        match=r"^theirs version 1 cannot be trained again: it has no tag refrain.snapshot, so its",
    ):
        directly(train_again, "theirs", "1")
    versioned("half", "key", is_complete=False)
    with pytest.raises(ValueError, match=r"^half version 1 is not complete"):
        directly(train_again, "half", "1")


@pytest.fixture
def reviews(mlflow_store: Path, tmp_path: Path) -> tuple[Served, str]:
    """A version of a dataset in files, with its catalog."""
    write_reviews(tmp_path / "rows.csv", 60)
    catalog = str(of_files(tmp_path, all="rows.csv").file)
    chosen = read_settings(
        {
            "tokens": {"min_frequency": 1, "unicode": "NFC"},
            "training": {"embedding_size": 4, "hidden_size": 4, "max_epochs": 1},
        }
    )
    tokens = directly(tokenize, directly(ingest, "made", catalog), chosen.tokens, catalog)
    return registered(tokens, directly(train, tokens, chosen.training)), catalog


def removed(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_replay_rebuilds_a_missing_token_set_and_raises_without_its_snapshot(
    reviews: tuple[Served, str],
) -> None:
    (served, catalog) = reviews
    tokens = reviews[0].tokens
    removed(tokens.folder)
    found = directly(train_again, "made", "1", catalog)
    assert found.is_identical
    assert not any(fact.differs for fact in found.facts)  # also the token set, by its name
    assert TokenSet.find("made", tokens.digest)
    for folder in (tokens.folder, tokens.snapshot_of().folder, served.checkpoint.folder):
        removed(folder)
    message = (
        f"made version 1 cannot be trained again: neither its token set {tokens.digest} nor its "
        f"snapshot {tokens.snapshot} is in {home()}. They were pruned, or it was trained with "
        "another store: set REFRAIN_HOME to a store that has them, or restore "
        f"{Snapshot.folder_of('made', tokens.snapshot)}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        directly(train_again, "made", "1", catalog)
