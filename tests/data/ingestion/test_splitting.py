import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.formats.base import all_formats
from data.ingestion.splitting import Part, Splitter, checked_tables
from data.rows.splits import SPLITS
from data.sources.base import Access, Partition

WORDS = ("lumo", "sela", "nuri", "grak", "dosh", "vek", "ta", "mi", "ro", "ku")
Parts = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class MemoryFiles:
    """A source with its files in memory: split (or ``all``) to bytes."""

    files: Mapping[str, bytes]

    has_format: ClassVar[bool] = True

    def pieces(self, access: Access, known: Sequence[Partition]) -> list[Partition]:
        return [Partition(split=split, name=f"{split}.txt", version="1") for split in self.files]

    @contextmanager
    def open(self, piece: Partition, access: Access) -> Iterator[list[IO[bytes]]]:
        yield [io.BytesIO(self.files[piece.split])]


def reviews(files: Mapping[str, str | bytes], **changes: Any) -> Dataset:
    source = MemoryFiles(
        {split: text if isinstance(text, bytes) else text.encode() for split, text in files.items()}
    )
    values: dict[str, Any] = {
        "name": "made",
        "problem": "sentiment",
        "language": "xx",
        "source": source,
        "format": {"kind": "csv", **all_formats()["csv"].options},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.1, "test": 0.2},
        "tokenizer": "words",
        "licence": "ours",
        "origin": "here",
        "entry": {},
    }
    return Dataset(**values | changes)


def pairs(content: str) -> Dataset:
    format_ = {**all_formats()["tsv"].options, "kind": "tsv", "header": False, "quote": False}
    return reviews(
        {"all": content}, format=format_, columns={"source": 0, "target": 1}, tokenizer="bpe"
    )


def tagged(files: Mapping[str, str], **changes: Any) -> Dataset:
    format_ = {"kind": "conll", **all_formats()["conll"].options}
    return reviews(files, format=format_, columns={"tokens": 0, "tags": 1}, **changes)


def parts_of(dataset: Dataset) -> Iterator[Part]:
    access = Access(Path("unused"))
    splitter = Splitter(dataset)
    for piece in dataset.source.pieces(access, []):
        for table in checked_tables(dataset, piece, access):
            yield from splitter.parts(piece, table)


def read(dataset: Dataset) -> Parts:
    """The rows of each split and the rejected ones, in input order."""
    found: Parts = {split: [] for split in (*SPLITS, "refused")}
    for part in parts_of(dataset):
        columns = (
            ["file", "row", "reason", "raw"] if part.split == "refused" else part.table.column_names
        )
        found[part.split] += [tuple(row.values()) for row in part.table.select(columns).to_pylist()]
    return found


def table(*rows: str, header: str = "text,label") -> str:
    return "\n".join([header, *rows, ""])


def texts(num: int) -> list[str]:
    return [f"{WORDS[i % 10]} {WORDS[i // 10 % 10]} {i}" for i in range(num)]


def splits_of(parts: Parts) -> dict[str, str]:
    return {row[0]: split for split in SPLITS for row in parts[split]}


def test_each_row_is_returned_once_with_its_roles() -> None:
    rows = {(text, "pos") for text in texts(300)}
    parts = read(reviews({"all": table(*(",".join(row) for row in rows))}))
    assert parts["refused"] == []
    assert Counter(row for split in SPLITS for row in parts[split]) == Counter(rows)


def test_columns_are_the_roles_with_source_before_target() -> None:
    dataset = reviews(
        {"all": table("pos,lumo", header="label,text")}, columns={"label": "label", "text": "text"}
    )
    assert [part.table.column_names for part in parts_of(dataset)] == [["text", "label"]]


@pytest.mark.parametrize("copy", ["lumo ta,pos", "LUMO  ta,pos", '" lumo\nta ",pos'])
def test_duplicate_of_an_earlier_row_is_rejected(copy: str) -> None:
    parts = read(reviews({"all": table("lumo ta,pos", copy)}))
    assert [row[:3] for row in parts["refused"]] == [("all.txt", 3, "the same row stood before")]


def test_rejected_duplicate_keeps_its_raw_values() -> None:
    parts = read(reviews({"all": table("lumo ta,1", "LUMO  ta,1")}, labels={"1": "pos"}))
    assert parts["refused"][0][3] == "LUMO  ta\t1"


def test_text_repeated_with_another_label_is_rejected() -> None:
    parts = read(reviews({"all": table("lumo ta,pos", "lumo ta,neg")}))
    assert [row[2] for row in parts["refused"]] == ["the same text stood before with another label"]


def test_file_of_only_rejected_rows_has_no_splits() -> None:
    parts = read(reviews({"all": table("lumo,pos,more", ",pos")}))
    assert {split: len(rows) for split, rows in parts.items()} == {
        "train": 0,
        "validation": 0,
        "test": 0,
        "refused": 2,
    }


def test_row_with_a_wrong_number_of_fields_is_rejected_alone() -> None:
    parts = read(reviews({"all": table("lumo,pos", "sela", "nuri,neg")}))
    assert parts["refused"] == [("all.txt", 3, "1 fields, expected 2", "sela")]


def test_row_with_invalid_utf8_is_rejected_alone() -> None:
    parts = read(reviews({"all": b"text,label\nlumo,pos\nsel\xe1,pos\nnuri,neg\n"}))
    assert [row[:3] for row in parts["refused"]] == [
        ("all.txt", 3, "text: bytes that are no text in the file's encoding")
    ]


GIVEN_TEST = [f"{text},pos" for text in texts(50)] + ["lumo lumo 0,pos", "Lumo  LUMO 0,neg"]


def test_published_test_split_is_kept_completely() -> None:
    train = table(*(f"{text},pos" for text in texts(200)))
    parts = read(reviews({"test": table(*GIVEN_TEST), "train": train}))
    assert [",".join(row) for row in parts["test"]] == GIVEN_TEST


def test_training_rows_with_a_text_of_the_published_test_split_are_rejected() -> None:
    train = table(*(f"{text.upper()},neg" for text in texts(200)))
    parts = read(reviews({"test": table(*GIVEN_TEST), "train": train}, splits={}))
    assert [row[0] for row in parts["train"]] == [text.upper() for text in texts(200)[50:]]
    assert {row[2] for row in parts["refused"]} == {
        "train: the same text stands in validation or test"
    }


def test_duplicates_within_the_published_train_split_are_kept() -> None:
    parts = read(
        reviews({"test": table("sela,pos"), "train": table("lumo,pos", "lumo,pos")}, splits={})
    )
    assert parts["train"] == [("lumo", "pos")] * 2


def test_published_train_split_gives_no_row_to_test() -> None:
    train = table(*(f"{text},pos" for text in texts(500)))
    parts = read(
        reviews(
            {"test": table("sela,pos"), "train": train}, splits={"validation": 0.2, "test": 0.5}
        )
    )
    assert parts["test"] == [("sela", "pos")]
    assert 60 <= len(parts["validation"]) <= 140


def test_only_requested_rows_are_read() -> None:
    rows = table("lumo,pos,a", "sela,neg,b", "nuri,neg,a", header="text,label,origin")
    parts = read(reviews({"all": rows}, where={"origin": "a"}, splits={}))
    assert parts == {
        "train": [("lumo", "pos"), ("nuri", "neg")],
        "validation": [],
        "test": [],
        "refused": [],
    }


def test_row_with_an_unreadable_split_is_rejected() -> None:
    rows = table("lumo,pos,a", "sela,neg", header="text,label,origin")
    parts = read(reviews({"all": rows}, where={"origin": "a"}))
    assert [row[2] for row in parts["refused"]] == ["2 fields, expected 3"]


def test_split_of_a_pair_depends_on_its_source_text_only() -> None:
    one = read(pairs("".join(f"{text}\tone\n" for text in texts(300))))
    two = read(pairs("".join(f"{text}\ttwo {i}\n" for i, text in enumerate(texts(300)))))
    assert splits_of(one) == splits_of(two)


def test_all_translations_of_a_text_are_in_one_split() -> None:
    parts = read(pairs("".join(f"{text}\t{i}\n" for text in texts(100) for i in range(3))))
    assert set(Counter(row[0] for split in SPLITS for row in parts[split]).values()) == {3}
    assert sum(len({row[0] for row in parts[split]}) for split in SPLITS) == 100


def test_sentence_is_read_as_lists() -> None:
    parts = read(tagged({"all": "Ursa B-PER\nta O\n"}, splits={}))
    assert parts["train"] == [(["Ursa", "ta"], ["B-PER", "O"])]


@pytest.mark.parametrize(("tokenizer", "num_refused"), [("words", 0), ("characters", 1)])
def test_tokens_must_be_single_characters_only_for_tagged_characters(
    tokenizer: str, num_refused: int
) -> None:
    parts = read(tagged({"all": "Ursa B-PER\nta O\n\n中 O\n"}, tokenizer=tokenizer))
    assert len(parts["refused"]) == num_refused


def test_file_error_names_dataset_and_file() -> None:
    with pytest.raises(
        RowError, match=re.escape("made, all.txt: has no column 'label': did you mean lable?")
    ):
        read(reviews({"all": table("lumo,pos", header="text,lable")}))


LINES = st.lists(
    st.one_of(
        st.builds(
            "{} {},{}".format,
            st.sampled_from(WORDS),
            st.sampled_from(["Ta", "ta", " MI"]),
            st.sampled_from("013"),
        ),
        st.sampled_from(
            ["lumo", ",1", "lumo,", '"lumo\n",0', "sel\udce1,1", "lumo,1,2", "\u3000,0"]
        ),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(LINES, LINES, st.booleans())
def test_every_row_is_in_one_split_or_rejected(
    first: list[str], second: list[str], is_given: bool
) -> None:
    files = {"test": first, "train": second} if is_given else {"all": first + second}
    content = {
        split: table(*rows).encode(errors="surrogateescape") for split, rows in files.items()
    }
    parts = read(reviews(content, labels={"0": "neg", "1": "pos"}))
    assert sum(map(len, parts.values())) == len(first) + len(second)


@settings(max_examples=50, deadline=None)
@given(LINES)
def test_reading_twice_gives_the_same_rows_in_the_same_order(lines: list[str]) -> None:
    content = {"all": table(*lines).encode(errors="surrogateescape")}
    assert read(reviews(content)) == read(reviews(content))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from([f"{text},{label}" for text in texts(60) for label in "01"]), max_size=60
    ),
    st.booleans(),
)
def test_growing_dataset_moves_no_text_to_another_split(more: list[str], is_given: bool) -> None:
    early = [f"{text},1" for text in texts(30)]
    given_test = {"test": table("vek,0")} if is_given else {}
    name = "train" if is_given else "all"
    before = splits_of(read(reviews({**given_test, name: table(*early)})))
    after = splits_of(read(reviews({**given_test, name: table(*more, *early)})))
    assert before.items() <= after.items()
