"""Ids that must not change: those of datasets from before the normalization settings."""

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from data.text.encoder import DEFAULTS, Tokenizer, split_text

TEXTS = [
    "Lumo  sela, NURI lumo!",
    "Très naïf lumo<br />sela ½ lumo",
    "sela sela <pad> lumo 55 nuri",
    "ﬁne lumo — Sela's nuri",
    "中文 lumo 中文 sela ж",
    "Cafe\u0301 café 5 &amp; 55 nuri",
]
NEW = ["Lumo café &amp; SELA <b>55</b>", "unseen <eos> ﬁne", ""]
# From commit 68d9244 with tokenizers 0.23.3: kind, whether tokens are cut, ids of TEXTS and NEW.
WORDS = [
    [4, 5, 1, 6, 4, 1],
    [1, 1, 4, 5, 1, 1, 1, 4],
    [5, 5, 4, 7, 6],
    [1, 4, 1, 5, 1, 1, 6],
    [9, 4, 9, 5, 1],
    [8, 8, 1, 1, 1, 1, 7, 6],
    [4, 8, 1, 1, 1, 5, 7],
    [1, 1],
    [1],
]
CUT_WORDS = [
    [4, 1, 5, 1],
    [1, 1, 1, 1, 1, 4],
    [6, 6, 1, 4, 7, 5],
    [1, 4, 1, 1, 5],
    [9, 4, 9, 6, 1],
    [8, 8, 1, 1, 7, 5],
    [4, 8, 1, 6, 1],
    [1, 1, 1],
    [1],
]
CHARACTERS = [
    [1, 7, 8, 10, 4, 4, 11, 9, 5, 6, 1, 4, 1, 1, 1, 1, 4, 5, 7, 8, 10, 1],
    [1, 16, 1, 11, 4, 13, 6, 1, 14, 4, 5, 7, 8, 10, 4, 11, 9, 5, 6, 4, 1, 1, 1, 4, 5, 7, 8, 10],
    [11, 9, 5, 6, 4, 11, 9, 5, 6, 4, 4, 4, 5, 7, 8, 10, 4, 12, 12, 4, 13, 7, 16, 15],
    [14, 15, 13, 9, 4, 5, 7, 8, 10, 4, 1, 4, 1, 9, 5, 6, 1, 11, 4, 13, 7, 16, 15],
    [18, 19, 4, 5, 7, 8, 10, 4, 18, 19, 4, 11, 9, 5, 6, 4, 1],
    [1, 6, 14, 17, 4, 1, 6, 14, 17, 4, 12, 4, 1, 6, 8, 1, 1, 4, 12, 12, 4, 13, 7, 16, 15],
    [1, 7, 8, 10, 4, 1, 6, 14, 17, 4, 1, 6, 8, 1, 1, 4, 1, 1, 1, 1, 4, 4, 12, 12, 4],
    [7, 13, 11, 9, 9, 13, 4, 4, 4, 14, 15, 13, 9], [1],
]  # fmt: skip
CUT_CHARACTERS = [
    [1, 6, 8, 9, 10, 7, 4, 5, 1, 1, 1, 1, 1, 4, 6, 8, 9, 1],
    [1, 13, 1, 10, 12, 5, 1, 14, 4, 6, 8, 9, 16, 1, 13, 1, 17, 10, 7, 4, 5, 1, 4, 6, 8, 9],
    [10, 7, 4, 5, 10, 7, 4, 5, 16, 18, 5, 1, 17, 4, 6, 8, 9, 11, 11, 12, 6, 13, 15],
    [1, 12, 7, 4, 6, 8, 9, 1, 1, 7, 4, 5, 1, 10, 12, 6, 13, 15],
    [19, 20, 4, 6, 8, 9, 19, 20, 10, 7, 4, 5, 1],
    [1, 5, 14, 7, 1, 1, 5, 14, 1, 11, 1, 5, 8, 18, 1, 11, 11, 12, 6, 13, 15],
    [1, 6, 8, 9, 1, 5, 14, 1, 1, 5, 8, 18, 1, 1, 1, 1, 1, 16, 1, 17, 11, 11, 16, 1, 1, 17],
    [6, 12, 10, 7, 7, 12, 16, 7, 9, 10, 17, 1, 12, 7],
    [1],
]
BPE = [
    [42, 15, 47, 42, 54, 7, 42, 16, 20, 17, 14, 50, 4],
    [42, 19, 33, 37, 34, 53, 21, 39, 26, 50, 11, 22, 33, 42, 8, 12, 52, 42, 36, 50],
    [54, 54, 42, 11, 42, 32, 21, 24, 12, 50, 61, 58],
    [42, 45, 30, 25, 50, 42, 41, 42, 18, 51, 6, 34, 58],
    [63, 50, 63, 54, 42, 40],
    [42, 13, 62, 42, 23, 62, 57, 42, 5, 21, 29, 32, 10, 61, 58],
    [
        42,
        15,
        47,
        42,
        23,
        62,
        42,
        5,
        21,
        29,
        32,
        10,
        42,
        18,
        1,
        15,
        1,
        42,
        11,
        22,
        12,
        9,
        9,
        11,
        8,
        22,
        12,
    ],
    [42, 35, 30, 34, 25, 25, 30, 42, 11, 42, 25, 31, 34, 12, 42, 45, 30, 25],
    [1],
]
CASES = [
    ("words", False, WORDS), ("words", True, CUT_WORDS), ("characters", False, CHARACTERS),
    ("characters", True, CUT_CHARACTERS), ("bpe", False, BPE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "is_cut", "expected"), CASES)
def test_ids_equal_the_gold_values(kind: str, is_cut: bool, expected: list[list[int]]) -> None:
    rows: list[Any] = [split_text(kind, text) if is_cut else text for text in [*TEXTS, *NEW]]
    tokenizer = Tokenizer.train(
        kind, [pa.chunked_array([pa.array(rows[: len(TEXTS)])])], DEFAULTS[kind]
    )
    ids, offsets = tokenizer.encode(rows)
    assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == expected
