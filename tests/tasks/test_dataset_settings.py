"""Settings of a catalog entry: their precedence, and how commands show them."""

from pathlib import Path

import pytest
import yaml

from data.catalog.catalog import find_dataset
from data.errors import RowError
from tasks.dataset_settings import setting_rows, with_entry_settings
from tasks.ingestion.snapshot import make_snapshot
from tasks.settings import parse_settings
from tests.conftest import write_reviews


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog whose entry sets tokens, training and promotion."""
    write_reviews(tmp_path / "rows.csv", num=60)
    chosen = {
        "training": {"max_epochs": 3, "hidden_size": 24},
        "promotion": {"guards": {"pos": 1}},
        "tokens": {"limit": 40},
    }
    entry = {
        "problem": "sentiment",
        "language": "xx",
        "licence": "ours",
        "origin": "made here",
        "tokenizer": "words",
        "source": {"kind": "files", "paths": {"all": "rows.csv"}},
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.2, "test": 0.2},
        "settings": chosen,
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"mine": entry}))
    return path


def rewrite(path: Path, settings: object) -> None:
    """Replace the settings of the entry."""
    entry = yaml.safe_load(path.read_text())
    entry["mine"]["settings"] = settings
    path.write_text(yaml.safe_dump(entry))


@pytest.mark.case("D16")
def test_entry_sets_defaults_and_the_caller_takes_precedence(catalog: Path) -> None:
    chosen = with_entry_settings("mine", parse_settings(["training.max_epochs=7"]), str(catalog))
    assert (chosen.training.max_epochs, chosen.training.hidden_size, chosen.training.dropout) == (
        7,
        24,
        None,
    )
    assert (chosen.tokens.limit, chosen.promotion.guards) == (40, {"pos": 1})


@pytest.mark.case("D16")
def test_each_setting_is_shown_with_its_value_and_origin(catalog: Path) -> None:
    settings = parse_settings(["training.max_epochs=7"])
    rows = {
        row.name: row
        for row in setting_rows("mine", settings, str(catalog), {"training.max_epochs": "--set"})
    }
    assert (rows["training.max_epochs"].value, rows["training.max_epochs"].origin) == (7, "--set")
    assert (rows["training.hidden_size"].value, rows["training.hidden_size"].origin) == (
        24,
        "mine.yaml",
    )
    assert rows["training.dropout"].origin == "default (sentiment)"
    assert rows["tokens.min_frequency"].origin == "default (words)"
    assert rows["promotion.alpha"].origin == "default"
    assert rows["training.dropout"].bounds == "0 to 0.95"
    assert "lstm, gru, rnn, cnn" in rows["training.encoder"].kind


@pytest.mark.case("D16")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"training": {"max_epochs": -1}},
            r"mine.yaml, entry mine, settings: setting training.max_epochs: .*got -1",
        ),
        ({"training": {"lr": 1}}, r"mine.yaml, entry mine, settings: setting training.lr: .*"),
        ({"trainin": {}}, r"mine.yaml, entry mine, settings: setting trainin"),
    ],
)
def test_invalid_setting_of_an_entry_raises_with_file_entry_and_setting(
    settings: object, message: str, catalog: Path
) -> None:
    rewrite(catalog, settings)
    with pytest.raises(RowError, match=message):
        with_entry_settings("mine", parse_settings([]), str(catalog))


@pytest.mark.case("D16")
def test_changed_settings_make_no_new_snapshot(catalog: Path, store: Path) -> None:
    first, _ = make_snapshot(find_dataset("mine", catalog))
    rewrite(catalog, {"training": {"max_epochs": 9}})
    second, is_new = make_snapshot(find_dataset("mine", catalog))
    assert (second.digest, is_new) == (first.digest, False)


@pytest.mark.case("D16")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("training.lr=1", "training.learning_rate"),
        ("training.epochs=1", "training.max_epochs"),
        ("lr=1", "training.learning_rate"),
        ("tokens.vocab_size=9", "tokens.vocabulary_size"),
        ("training.max_grad_norm=1", "training.clip_norm"),
        ("training.hiden_size=1", "training.hidden_size"),
    ],
)
def test_setting_name_of_another_tool_raises_with_ours(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}"):
        parse_settings([typed])


@pytest.mark.case("D16")
def test_a_key_within_a_mapping_is_set_by_its_dotted_name() -> None:
    assert parse_settings(
        ["promotion.guards.PER=1", "promotion.guards.LOC=2"]
    ).promotion.guards == {"PER": 1, "LOC": 2}
    with pytest.raises(ValueError, match=r"there is no setting 'training.max_epochs.x'"):
        parse_settings(["training.max_epochs.x=1"])


@pytest.mark.case("D16")
@pytest.mark.parametrize("typed", ["training.max_epochs=", "training.max_epochs=  "])
def test_empty_value_raises(typed: str) -> None:
    with pytest.raises(
        ValueError, match=r"training.max_epochs has no value: write training.max_epochs=VALUE"
    ):
        parse_settings([typed])
