"""Forms of a catalog entry: pairs of files, a split column, JSON arrays, schemes of tags."""

import gzip
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.catalog.catalog import NOT_KEYS, Dataset, find_dataset
from data.catalog.entry_keys import KEYS
from data.errors import RowError
from data.ingestion.recommendations import recommend
from data.ingestion.splitting import (
    REFUSED,
    Splitter,
    checked_tables,
    partitions_of,
    rejected_by_scheme,
)
from data.sources.base import Access
from tests.data.reading import read, small_blocks, values

BASE = {
    "problem": "sentiment",
    "language": "xx",
    "tokenizer": "words",
    "licence": "ours",
    "origin": "invented rows",
}
TEXTS = {"text": "body", "label": "stars"}
TABLE = (
    "body,stars,part\nta mi,pos,Train\nku ro,neg, dev\nso li,pos,TESTING\nta "
    "mi,neg,test\nvek,pos,holdout\nnuri,neg\n"
)


def entry(folder: Path, files: dict[str, bytes | str], **changes: Any) -> Any:
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "mine.yaml").write_text(yaml.safe_dump({"made": {**BASE, **changes}}))
    return find_dataset("made", folder / "mine.yaml")


def rows_of(dataset: Any, folder: Path) -> tuple[dict[str, list[Any]], list[str]]:
    access = Access(folder)
    splitter = Splitter(dataset)
    found: dict[str, list[Any]] = {}
    rejected: list[str] = []
    for piece in partitions_of(dataset, access):
        for table in checked_tables(dataset, piece, access):
            for part in splitter.parts(piece, table):
                if part.split == REFUSED:
                    rejected += part.table["kind"].to_pylist()
                else:
                    found.setdefault(part.split, []).extend(
                        tuple(row.values()) for row in part.table.to_pylist()
                    )
    return found, rejected


@pytest.mark.case("D17")
@pytest.mark.parametrize(
    "given", [["a.en.gz", "a.fr.gz"], {"source": "a.en.gz", "target": "a.fr.gz"}]
)
def test_two_listed_files_are_a_pair_of_parallel_texts(given: Any, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "a.en.gz": gzip.compress(b"ta\nmi\n"),
        "a.fr.gz": gzip.compress(b"lo\nse\n"),
    }
    source = {"kind": "files", "paths": {"train": given, "test": given}}
    dataset = entry(
        tmp_path,
        files,
        problem="translation",
        source=source,
        format={"kind": "parallel"},
        splits={"validation": 0.5},
    )
    with dataset.source.open(
        dataset.source.pieces(Access(tmp_path), [])[0], Access(tmp_path)
    ) as streams:
        assert [stream.read() for stream in streams] == [b"ta\nmi\n", b"lo\nse\n"]


@pytest.mark.case("D17")
@pytest.mark.parametrize("given", ["a.en", ["a.en"], ["a.en", "a.fr", "b.en"], ["*.en", "*.fr"]])
def test_ambiguous_pair_raises_with_the_expected_form(given: Any, tmp_path: Path) -> None:
    source = {"kind": "files", "paths": {"all": given}}
    with pytest.raises(
        RowError, match=r"needs a file for each side.*\{source: a.en.gz, target: a.fr.gz\}"
    ):
        entry(tmp_path, {}, problem="translation", source=source, format={"kind": "parallel"})
    with pytest.raises(RowError, match="source and target are for format parallel"):
        pair = {"kind": "files", "paths": {"all": {"source": "a", "target": "b"}}}
        entry(tmp_path, {}, source=pair, format={"kind": "csv"}, columns=TEXTS)


@pytest.mark.case("D17")
def test_split_column_assigns_rows_to_splits(tmp_path: Path) -> None:
    source = {"kind": "files", "paths": {"all": "a.csv"}}
    dataset = entry(
        tmp_path,
        {"a.csv": TABLE},
        source=source,
        format={"kind": "csv"},
        columns=TEXTS,
        splits={"column": "part"},
    )
    found, rejected = rows_of(dataset, tmp_path)
    assert found == {"validation": [("ku ro", "neg")], "test": [("so li", "pos"), ("ta mi", "neg")]}
    assert sorted(rejected) == [
        "fields",
        "leak",
        "unknown_split",
    ]  # the text of the training row is in test


@pytest.mark.case("D17")
def test_split_column_works_for_json_lines_and_numbered_columns(
    tmp_path: Path,
) -> None:
    lines = [
        {"body": f"ta n{i}", "stars": "pos", "part": part}
        for i, part in enumerate(("train", "val", "test"))
    ]
    source = {"kind": "files", "paths": {"all": "a.x"}}
    content = "".join(json.dumps(line) + "\n" for line in lines)
    dataset = entry(
        tmp_path,
        {"a.x": content},
        source=source,
        format={"kind": "jsonl"},
        columns=TEXTS,
        splits={"column": "part"},
    )
    expected = {
        "train": [("ta n0", "pos")],
        "validation": [("ta n1", "pos")],
        "test": [("ta n2", "pos")],
    }
    assert rows_of(dataset, tmp_path) == (expected, [])
    content = "".join(",".join(line.values()) + "\n" for line in lines)
    entry_changes = {
        "format": {"kind": "csv", "header": False},
        "columns": {"text": 0, "label": 1},
        "splits": {"column": 2},
    }
    assert rows_of(entry(tmp_path, {"a.x": content}, source=source, **entry_changes), tmp_path) == (
        expected,
        [],
    )


@pytest.mark.case("D17")
@pytest.mark.parametrize(
    ("splits", "paths", "message"),
    [
        ({"column": "part", "test": 0.1}, {"all": "a.csv"}, "leave the share of test out"),
        ({"column": True}, {"all": "a.csv"}, "column must be the name or the number of a column"),
        (
            {"column": "part"},
            {"train": "a.csv", "test": "b.csv"},
            "needs a source that gives all rows at once",
        ),
    ],
)
def test_invalid_split_column_raises(splits: Any, paths: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RowError, match=message):
        entry(
            tmp_path,
            {},
            source={"kind": "files", "paths": paths},
            format={"kind": "csv"},
            columns=TEXTS,
            splits=splits,
        )


ROWS = [
    {"body": "ta, [mi] {ro}", "stars": 1},
    {"body": 'k"u\n\\', "stars": True},
    {"body": "é\u2028", "stars": None},
    7,
    {"x": {}},
]


@pytest.mark.case("D17")
@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("size", [4, 17, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_json_array_gives_the_same_rows_as_json_lines(
    indent: int | None, size: int, encoding: str
) -> None:
    lines = read("jsonl", "".join(json.dumps(row) + "\n" for row in ROWS).encode(), TEXTS)
    with small_blocks(size):
        found = read(
            "jsonl", json.dumps(ROWS, indent=indent, ensure_ascii=False).encode(encoding), TEXTS
        )
    assert values(found, "row", "text", "label", "kind") == values(
        lines, "row", "text", "label", "kind"
    )


@pytest.mark.case("D17")
def test_damaged_json_array_raises_and_empty_array_has_no_rows() -> None:
    assert read("jsonl", b" [ ]\n", TEXTS) == []
    assert values(read("jsonl", b'[{}]\n{"body": "ta"}\n', TEXTS), "row", "kind") == [
        (1, "not_json"),
        (2, None),
    ]
    for content, message in {
        b'[{"body": "ta"}, {"body": mi}]': 'not JSON after object 1: .*got \'{"body": mi}',
        b'[{"body": "ta"},': "after object 1: the array has no end",
        b'[{"body": "ta"} {"body": "mi"}]': "not JSON after object 0",
    }.items():
        with pytest.raises(RowError, match=message):
            read("jsonl", content, TEXTS)


@pytest.mark.case("D17")
def test_every_tag_scheme_is_read_as_bio(tmp_path: Path) -> None:
    content = "ta I-PER\nmi I-PER\n\nku O\nro B-LOC\n\n" * 2 + "so I-LOC\n\n"
    entry_changes = {
        "format": {"kind": "conll"},
        "columns": {"tokens": 0, "tags": 1},
        "source": {"kind": "files", "paths": {"all": "a.x"}},
    }
    dataset = entry(tmp_path, {"a.x": content}, problem="ner", **entry_changes)
    schemes = rejected_by_scheme(
        dataset, partitions_of(dataset, Access(tmp_path)), Access(tmp_path)
    )
    assert schemes == {"BIO": 3, "IOB1": 0, "BMES": 5, "BIOES": 5}
    splits = {
        split: {"rows": 1, "labels": {}, "entities": {}, "lengths": {}}
        for split in ("train", "validation", "test")
    }
    report = {
        "reasons": {},
        "kept": 3,
        "splits": splits,
        "words": {"rows": {"train": 0}, "sides": {}},
        "schemes": schemes,
    }
    assert (
        "as IOB1: 0 rows rejected; as BIO: 3 rows rejected; as BMES: 5 rows rejected"
        in "\n".join(recommend(report))
    )


@pytest.mark.case("D17")
def test_key_table_of_the_documents_lists_every_catalog_key() -> None:
    assert set(KEYS) == {field.name for field in fields(Dataset)} - NOT_KEYS
