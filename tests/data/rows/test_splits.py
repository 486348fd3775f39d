from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rows.arrow_text import hashes, normalized
from data.rows.splits import CONTENT_KEY, SPLIT_KEY, SPLITS, assign

SHARES = {"validation": 0.1, "test": 0.2}
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=20)


def split_of(texts: Sequence[str], shares: dict[str, float] = SHARES) -> list[str]:
    keys = normalized(pa.chunked_array([pa.array(texts, pa.string())]))
    indices = assign(hashes(keys, SPLIT_KEY), shares)
    return [SPLITS[index] for index in indices]


# From ``hash_one`` in test_hashing.py. They never change: a row that moves from test to train would
# be memorized and then scored. (They changed once, before the first release: SipHash,
# text by text, took a fifth of the time of an ingestion.)
GOLD_HASHES = {
    ("", SPLIT_KEY): 14774032923589791370,
    ("lumo", SPLIT_KEY): 4010380759791974987,
    ("lumo ta mi", SPLIT_KEY): 3128534048921872937,
    ("зело рано", SPLIT_KEY): 6390543673134761720,
    ("中文 和 空格", SPLIT_KEY): 8794473805394148841,
    ("naïve café ☕", SPLIT_KEY): 14607562994683749693,
    ("", CONTENT_KEY): 4721554194381391701,
    ("lumo", CONTENT_KEY): 16560956412712429707,
    ("lumo ta mi", CONTENT_KEY): 6929798756056601131,
    ("зело рано", CONTENT_KEY): 6689813078671911053,
    ("中文 和 空格", CONTENT_KEY): 10501394148788166492,
    ("naïve café ☕", CONTENT_KEY): 10293833850264956206,
}


@pytest.mark.parametrize(("text", "key"), GOLD_HASHES)
def test_the_hash_of_a_text_never_changes(text: str, key: str) -> None:
    assert hashes(pa.chunked_array([[text]]), key).tolist() == [GOLD_HASHES[text, key]]


GOLD_SPLITS = {
    "lumo": "validation",
    "lumo ta mi": "test",
    "зело рано": "train",
    "中文 和 空格": "train",
    "naïve café ☕": "train",
    "lumo 0": "test",
    "lumo 1": "test",
    "lumo 2": "train",
    "lumo 3": "test",
    "lumo 4": "train",
    "lumo 5": "train",
    "lumo 6": "train",
    "lumo 7": "train",
    "lumo 8": "train",
    "Sela NURI  vek": "validation",
    "ta\tmi": "train",
}


@pytest.mark.parametrize("text", GOLD_SPLITS)
def test_the_split_of_a_text_never_changes(text: str) -> None:
    assert split_of([text]) == [GOLD_SPLITS[text]]


@pytest.mark.parametrize(
    "shares",
    [SHARES, {"validation": 0.05}, {"test": 0.5}, {"validation": 0.01, "test": 0.02}, {}],
    ids=str,
)
def test_splits_have_their_shares(shares: dict[str, float]) -> None:
    num = 20_000
    found = split_of([f"lumo {i}" for i in range(num)], shares)
    for split in ("validation", "test"):
        share = shares.get(split, 0.0)
        spread = np.sqrt(share * (1 - share) / num)  # of a binomial share
        assert abs(found.count(split) / num - share) <= 4 * spread


@settings(max_examples=50, deadline=None)
@given(TEXTS, st.integers(0, 2**32 - 1))
def test_no_row_moves_when_the_dataset_grows_tenfold(texts: list[str], seed: int) -> None:
    more = [f"{text} {i}" for i in range(9) for text in texts]
    order = np.random.default_rng(seed).permutation(len(texts) * 10)
    grown = [[*texts, *more][i] for i in order]
    after = dict(zip(grown, split_of(grown), strict=True))
    assert [after[text] for text in texts] == split_of(texts)


@settings(max_examples=50, deadline=None)
@given(TEXTS, TEXTS)
def test_no_test_text_was_ever_a_training_text(early: list[str], late: list[str]) -> None:
    trained = {text for text, split in zip(early, split_of(early), strict=True) if split == "train"}
    grown = early + late
    assert not trained & {
        text for text, split in zip(grown, split_of(grown), strict=True) if split == "test"
    }


def test_smaller_test_share_moves_no_training_text_to_test() -> None:
    texts = [f"lumo {i}" for i in range(2000)]
    small = [i for i, split in enumerate(split_of(texts, {"test": 0.1})) if split == "test"]
    large = [i for i, split in enumerate(split_of(texts, {"test": 0.2})) if split == "test"]
    assert set(small) < set(large)


@pytest.mark.parametrize(
    "copy",
    [
        "lumo ta mi",
        "LUMO Ta mI",
        "  lumo ta mi ",
        "lumo  ta\t\tmi",
        "lumo\nta\r\nmi",
        "lumo\u00a0ta\u3000mi",
        "ｌｕｍｏ ta mi",
    ],
    ids=["same", "case", "around", "tabs", "newlines", "wide spaces", "wide letters"],
)
def test_duplicate_in_other_case_or_spacing_has_the_same_normal_form(copy: str) -> None:
    assert normalized(pa.chunked_array([[copy]])).to_pylist() == ["lumo ta mi"]


def test_composed_and_decomposed_letters_have_the_same_normal_form() -> None:
    assert (
        len(
            set(
                normalized(
                    pa.chunked_array([["caf\u00e9", "cafe\u0301", "CAFE\u0301"]])
                ).to_pylist()
            )
        )
        == 1
    )


WORDS = st.lists(st.text("abcdefghäéñжю中", min_size=1), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(WORDS, st.sampled_from([" ", "  ", "\t", "\u3000", " \n "]))
def test_duplicate_in_other_case_or_spacing_has_the_same_split(
    words: list[str], space: str
) -> None:
    assert split_of([" ".join(words)]) == split_of([space + space.join(words).upper()])


def test_tokens_get_the_split_of_their_text() -> None:
    tokens = pa.chunked_array([pa.array([["Lumo", "ta"]])])
    assert normalized(tokens).to_pylist() == ["lumo ta"]


def test_no_rows_give_no_splits() -> None:
    assert split_of([]) == []
