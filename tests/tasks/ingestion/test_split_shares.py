"""The split shares of a dataset are frozen after its first training."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import RowError
from tasks.ingestion.snapshot import make_snapshot
from tasks.store.artifacts import TokenSet
from tests.tasks.growing import entry, texts, write

FILES = {"kind": "files", "paths": {"all": "*.csv"}}
GIVEN = {"kind": "files", "paths": {"train": "first.csv", "test": "test.csv"}}


def tokenized(snapshot: str) -> None:
    """The files that every training of a snapshot writes."""
    folder = TokenSet.folder_of("made", "1")
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"dataset": "made", "snapshot": snapshot}))


@pytest.fixture
def prepared(store: Path, tmp_path: Path) -> Path:
    write(tmp_path / "first.csv", texts(60))
    write(tmp_path / "test.csv", texts(60, start=60))
    snapshot, _ = make_snapshot(entry(tmp_path, FILES, splits={"validation": 0.1, "test": 0.2}))
    tokenized(snapshot.digest)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "splits"),
    [
        (FILES, {"validation": 0.1, "test": 0.31}),
        (FILES, {"test": 0.4}),
        (GIVEN, {"validation": 0.1}),
    ],
)
def test_changed_shares_raise_when_trained_texts_would_become_test_rows(
    prepared: Path, source: dict[str, Any], splits: dict[str, float]
) -> None:
    message = (
        r"entry made, splits: models were trained on .* 0.2 is test by content, and now .*new name"
    )
    with pytest.raises(RowError, match=message):
        make_snapshot(entry(prepared, source, splits=splits))


@pytest.mark.parametrize(
    "splits", [{"validation": 0.1, "test": 0.3}, {"validation": 0.3, "test": 0.1}, {"test": 0.2}]
)
def test_changed_shares_move_no_trained_text_to_test(
    prepared: Path, splits: dict[str, float]
) -> None:
    first, _ = make_snapshot(entry(prepared, FILES, splits={"validation": 0.1, "test": 0.2}))
    second, _ = make_snapshot(entry(prepared, FILES, splits=splits))
    trained = set(first.table("train")["text"].to_pylist())
    assert not trained & set(second.table("test")["text"].to_pylist())


def test_changed_shares_are_accepted_before_the_first_training(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "first.csv", texts(60))
    make_snapshot(entry(tmp_path, FILES, splits={"validation": 0.1, "test": 0.2}))
    snapshot, is_new = make_snapshot(
        entry(tmp_path, FILES, splits={"validation": 0.1, "test": 0.5})
    )
    assert is_new
    assert snapshot.rows["test"] > 15
