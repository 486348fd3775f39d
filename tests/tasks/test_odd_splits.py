"""Splits of few rows, without rows or with other labels: each has a stated outcome."""

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.compare_systems import compare
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.settings import TrainChanges, read_settings
from tasks.store.artifacts import Checkpoint, Scores, TokenSet
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train

pytestmark = pytest.mark.usefixtures("mlflow_store")
Rows = dict[str, list[tuple[str, str]]]
TINY = {"embedding_size": 4, "hidden_size": 4, "max_epochs": 1, "batch_size": 4}
SETTINGS = read_settings({"tokens": {"min_frequency": 1}, "training": TINY})


def many(split: str, num: int, labels: tuple[str, ...] = ("neg", "pos")) -> list[tuple[str, str]]:
    """Make rows whose texts differ between the splits."""
    return [(f"{split} lumo word{i}", labels[i % len(labels)]) for i in range(num)]


def tokenized(folder: Path, rows: Rows, **entry: Any) -> tuple[TokenSet, str]:
    """Ingest and tokenize a dataset whose splits are files."""
    folder.mkdir(exist_ok=True)
    for split, table in rows.items():
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *table])
    described = {
        "problem": "sentiment",
        "language": "xx",
        "licence": "-",
        "origin": "made up",
        "format": {"kind": "csv"},
        "source": {
            "kind": "files",
            "paths": {split: str(folder / f"{split}.csv") for split in rows},
        },
        "columns": {"text": "text", "label": "label"},
        "tokenizer": "words",
    }
    catalog = folder / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"made": described | entry}))
    snapshot = directly(ingest, "made", str(catalog), None, False)
    return directly(tokenize, snapshot, SETTINGS.tokens, str(catalog)), str(catalog)


def scored(tokens: TokenSet, catalog: str) -> tuple[Checkpoint, Scores]:
    checkpoint = directly(train, tokens, SETTINGS.training)
    return checkpoint, directly(evaluate, checkpoint, tokens, SETTINGS.evaluation, catalog)


def splits(**changes: list[tuple[str, str]]) -> Rows:
    found = {split: many(split, 8) for split in ("train", "validation", "test")}
    return {**found, **changes}


def test_label_only_in_the_test_split_counts_as_wrong(tmp_path: Path) -> None:
    rows = splits(test=many("test", 8, ("new", "newer")))
    checkpoint, scores = scored(*tokenized(tmp_path, rows))
    assert checkpoint.validation_loss > 0
    assert scores.metrics["accuracy"]["value"] == 0.0
    assert {found["accuracy"] for found in scores.baselines.values()} == {0.0}


def test_rows_with_a_label_only_in_the_validation_split_are_left_out(tmp_path: Path) -> None:
    rows = splits(validation=many("validation", 9, ("neg", "pos", "new")))
    tokens, catalog = tokenized(tmp_path, rows)
    assert tokens.rows["validation"] == 6
    _, scores = scored(tokens, catalog)
    assert 0 <= scores.metrics["accuracy"]["value"] <= 100


def test_comparison_uses_validation_rows_with_known_labels(
    tmp_path: Path,
) -> None:
    rows = splits(validation=many("validation", 9, ("neg", "pos", "new")))
    tokens, _ = tokenized(tmp_path, rows)
    found = compare(tokens, ["gru"], TrainChanges(**TINY), "validation")
    assert {row["system"] for row in found} >= {"majority", "gru"}
    assert all(0 <= row["metrics"]["accuracy"]["value"] <= 100 for row in found)


def test_validation_split_of_only_unknown_labels_raises_with_the_labels(
    tmp_path: Path,
) -> None:
    rows = splits(validation=many("validation", 4, ("new", "newer")))
    with pytest.raises(
        ValueError, match=r"all have labels that no row of train has, which are neg, pos\."
    ):
        tokenized(tmp_path, rows)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_one_row_suffices_for_validation_and_test(tmp_path: Path, split: str) -> None:
    _, scores = scored(*tokenized(tmp_path, splits(**{split: many(split, 1)})))
    found = scores.metrics["accuracy"]
    assert found["low"] <= found["value"] <= found["high"]


def test_one_training_row_raises_because_it_has_one_label(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train.* has 1 label \(neg\), expected at least two"):
        tokenized(tmp_path, splits(train=many("train", 1)))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_empty_split_raises_before_training(tmp_path: Path, split: str) -> None:
    with pytest.raises(ValueError, match=f"split {split} has no rows"):
        tokenized(tmp_path, splits(**{split: []}))


def test_vanished_class_raises_before_training(tmp_path: Path) -> None:
    labels = ("neg", "pos", "mixed")
    tokenized(tmp_path, splits(train=many("train", 30, labels)))
    with pytest.raises(ValueError, match=r"'mixed': 10 before, none now \(checks\.lost_classes"):
        tokenized(tmp_path, splits(train=many("train", 30)))


def test_doubled_vocabulary_makes_a_larger_model(tmp_path: Path) -> None:
    before, catalog = tokenized(tmp_path, splits(train=many("train", 20)))
    first, _ = scored(before, catalog)
    now, catalog = tokenized(tmp_path, splits(train=many("train", 40)))
    second, scores = scored(now, catalog)
    assert now.sizes["source"] > 1.7 * before.sizes["source"]
    assert second.num_parameters > first.num_parameters
    assert scores.metrics["accuracy"]["value"] >= 0
