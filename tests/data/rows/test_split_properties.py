"""The split of a row follows from its content, in any order, and no content is in two splits."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalog.catalog import Dataset
from data.formats.base import TEXT, as_table
from data.ingestion.splitting import Splitter
from data.rows.arrow_text import hashes, normalized
from data.rows.splits import SPLIT_KEY, SPLITS, assign
from data.sources.base import Partition

Rows = list[tuple[str, str]]
Sides = dict[str, list[tuple[str, str]]]
SHARES = {"validation": 0.2, "test": 0.3}
ORDER = ("test", "validation", "all", "train")  # in which every source gives its pieces
SHAPES: dict[str, tuple[str, str]] = {"reviews": ("text", "label"), "pairs": ("source", "target")}
MIXTURES = [
    ("all",),
    ("all", "all"),
    ("train", "test"),
    ("train", "train", "test", "test"),
    ("train", "validation", "test"),
]


def dataset(shape: str, shares: dict[str, float], checks: dict[str, Any]) -> Dataset:
    roles = SHAPES[shape]
    return Dataset(
        name="made",
        problem="-",
        language="xx",
        source=None,
        columns={role: role for role in roles},
        splits=shares,
        tokenizer="words",
        licence="ours",
        origin="made",
        entry={},
        checks=checks,
    )


def split_up(
    shape: str,
    pieces: Sequence[tuple[str, Rows]],
    batch: int = 99,
    trained: Any = None,
    **checks: Any,
) -> Sides:
    """Send the rows of partitions through a splitter in batches."""
    given_splits = {split for split, _ in pieces}
    shares = {
        name: share
        for name, share in SHARES.items()
        if name not in given_splits and ("all" in given_splits or name != "test")
    }
    splitter = Splitter(dataset(shape, shares, checks), trained)
    roles = SHAPES[shape]
    found: Sides = {name: [] for name in (*SPLITS, "refused")}
    for split, rows in sorted(pieces, key=lambda piece: ORDER.index(piece[0])):
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            sides = {
                role: pa.array(side, TEXT)
                for role, side in zip(roles, zip(*some, strict=True), strict=True)
            }
            for part in splitter.parts(
                Partition(split=split, name=split, version=""),
                as_table(sides, range(1, len(some) + 1)),
            ):
                columns = ("kind", "reason") if part.split == "refused" else roles
                found[part.split] += zip(
                    *(part.table[name].to_pylist() for name in columns), strict=True
                )
    return found


def plain(text: str) -> str:
    """The normal form of a text, computed without the code under test."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def wide(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


COPIES = [
    str,
    str.upper,
    str.title,
    wide,
    lambda text: f" {text}\n",
    lambda text: text.replace(" ", " \t\u3000"),
]
WORD = st.text("abcdezäéжю中0-", min_size=1, max_size=3)
TEXT_OF_WORDS = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
FEW = st.builds(
    lambda text, copy: copy(text),
    st.sampled_from(["lumo", "lumo ta", "ëro mi", "жук", "中 文", "vek-9"]),
    st.sampled_from(COPIES),
)
ROWS = st.lists(st.tuples(FEW | TEXT_OF_WORDS, st.sampled_from(["pos", "neg"])), max_size=25)


def split_of(texts: Sequence[str]) -> list[str]:
    indices = assign(
        hashes(normalized(pa.chunked_array([pa.array(texts, TEXT)])), SPLIT_KEY), SHARES
    )
    return [SPLITS[index] for index in indices]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(codec="utf-8") | st.sampled_from(" \t\n\v\f\r\x1c\x85\u2028\u3000AÉßİ")
        ),
        max_size=8,
    )
)
def test_split_of_a_text_does_not_depend_on_other_texts(texts: list[str]) -> None:
    assert split_of(texts) == [split_of([text])[0] for text in texts]


@settings(max_examples=100, deadline=None)
@given(TEXT_OF_WORDS, st.lists(st.sampled_from(COPIES), min_size=1, max_size=3))
def test_duplicate_in_other_case_spacing_or_width_has_the_same_split(
    text: str, copies: list[Any]
) -> None:
    copy = text
    for change in copies:
        copy = change(copy)
    assert split_of([copy]) == split_of([text])


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 9), st.randoms(use_true_random=False), st.sampled_from(list(SHAPES)))
def test_split_of_a_text_does_not_depend_on_order_or_batches(
    rows: Rows, batch: int, random: Random, shape: str
) -> None:
    shuffled = random.sample(rows, len(rows))
    one = split_up(shape, [("all", rows)])
    two = split_up(shape, [("all", shuffled[:7]), ("all", shuffled[7:])], batch)
    for split in SPLITS:
        assert {plain(text) for text, _ in one[split]} == {plain(text) for text, _ in two[split]}


PIECES = st.sampled_from(MIXTURES).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), ROWS) for name in names))
)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=100, deadline=None)
@given(pieces=PIECES, batch=st.integers(1, 30))
def test_no_text_is_in_two_splits_and_no_row_is_lost(
    shape: str, pieces: Sequence[tuple[str, Rows]], batch: int
) -> None:
    found = split_up(shape, pieces, batch)
    sides = [{plain(side) for side, _ in found[split]} for split in SPLITS]
    assert sum(map(len, sides)) == len(set().union(*sides))
    assert sum(map(len, found.values())) == sum(len(rows) for _, rows in pieces)


@settings(max_examples=100, deadline=None)
@given(pieces=PIECES.filter(lambda pieces: pieces[0][0] != "all"), batch=st.integers(1, 30))
def test_published_test_split_is_complete_and_its_texts_leave_train(
    pieces: Sequence[tuple[str, Rows]], batch: int
) -> None:
    found = split_up("reviews", pieces, batch)
    published = {
        split: [row for name, rows in pieces if name == split for row in rows]
        for split in ("test", "validation", "train")
    }
    in_test, in_validation = (
        {plain(text) for text, _ in published[split]} for split in ("test", "validation")
    )
    assert found["test"] == published["test"]
    if published["validation"]:
        assert found["validation"] == [
            row for row in published["validation"] if plain(row[0]) not in in_test
        ]
        assert found["train"] == [
            row for row in published["train"] if plain(row[0]) not in in_test | in_validation
        ]
    assert {kind for kind, _ in found["refused"]} <= {"leak"}
    stays = {text for text, _ in found["train"] + found["validation"]}
    assert not {plain(text) for text in stays} & in_test


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES.filter(lambda pieces: pieces[0][0] != "all"), batch=st.integers(1, 30))
def test_published_splits_are_unchanged_when_leaks_are_kept(
    pieces: Sequence[tuple[str, Rows]], batch: int
) -> None:
    trained = hashes(
        normalized(pa.chunked_array([[text for _, rows in pieces for text, _ in rows]], TEXT)),
        SPLIT_KEY,
    )
    found = split_up("reviews", pieces, batch, trained, leaks="keep")
    assert not found["refused"]
    assert found["test"] == [row for name, rows in pieces if name == "test" for row in rows]


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, batch=st.integers(1, 30))
def test_own_split_keeps_each_text_once_with_its_first_label(rows: Rows, batch: int) -> None:
    first: dict[str, str] = {}
    for text, label in rows:
        first.setdefault(plain(text), label)
    found = split_up("reviews", [("all", rows)], batch)
    assert {plain(text): label for split in SPLITS for text, label in found[split]} == first
    refused = Counter(kind for kind, _ in found["refused"])
    seen: set[str] = set()
    expected = Counter[str]()
    for text, label in rows:
        if plain(text) in seen:
            expected["duplicate" if first[plain(text)] == label else "conflict"] += 1
        seen.add(plain(text))
    assert refused == expected


@settings(max_examples=60, deadline=None)
@given(tested=ROWS, trained=st.lists(FEW | TEXT_OF_WORDS, max_size=9), batch=st.integers(1, 30))
def test_text_that_was_trained_on_is_never_tested(
    tested: Rows, trained: list[str], batch: int
) -> None:
    earlier = np.unique(hashes(normalized(pa.chunked_array([pa.array(trained, TEXT)])), SPLIT_KEY))
    found = split_up(
        "reviews",
        [("test", tested), ("train", [(text, "pos") for text in trained])],
        batch,
        earlier,
    )
    known = {plain(text) for text in trained}
    assert found["test"] == [row for row in tested if plain(row[0]) not in known]
    assert sorted(text for text, _ in found["train"] + found["validation"]) == sorted(trained)
    assert {reason for _, reason in found["refused"]} <= {
        "test: the text was trained on in an earlier snapshot"
    }
