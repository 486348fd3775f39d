"""Vectors learned from texts, against counts and factors written out by hand."""

import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import RowError
from data.text.learned_vectors import (
    SMOOTHING,
    WINDOW,
    _association,
    _factored,
    _neighbors,
    learn_vectors,
    write_vectors_file,
)
from data.text.settings import SPECIAL, TokenSettings
from data.text.tokenizer import Tokenizer
from data.text.word_vectors import read_vectors

SETTINGS = TokenSettings(vectors_size=4)
# Words of two subjects, each beside its own article.
SUBJECTS = {"ta": ("lumo", "sela", "nuri"), "mi": ("grak", "dosh", "vek")}


def made_texts(num: int = 200) -> list[str]:
    chance = random.Random(0)
    texts = []
    for _ in range(num):
        article, words = chance.choice(list(SUBJECTS.items()))
        texts.append(" ".join(f"{article} {chance.choice(words)}" for _ in range(4)))
    return texts


def column(texts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([texts])


def counted(texts: list[str], names: list[str]) -> np.ndarray:
    """Count neighbors pair by pair."""
    found: Counter[tuple[str, str]] = Counter()
    for text in texts:
        words = text.split()
        for i, word in enumerate(words):
            for j, other in enumerate(words):
                if i != j and abs(i - j) <= WINDOW and word in names and other in names:
                    found[word, other] += WINDOW + 1 - abs(i - j)
    return np.array([[found[one, other] for other in names] for one in names], dtype=float)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train("words", [column(made_texts())], replace(SETTINGS, min_frequency=5))


def test_neighbors_are_those_of_pairs_counted_one_by_one(tokenizer: Tokenizer) -> None:
    texts = [*made_texts(20), "lumo unheard sela", ""]
    names = tokenizer.names[len(SPECIAL) :]
    found = _neighbors([column(texts)], tokenizer).toarray()
    np.testing.assert_array_equal(found, counted(texts, names))


def test_association_is_the_formula_of_the_paper(tokenizer: Tokenizer) -> None:
    counts = _neighbors([column(made_texts(20))], tokenizer)
    dense = counts.toarray().astype(float)
    of_context = dense.sum(0) ** SMOOTHING
    for i, j in np.ndindex(*dense.shape):
        share = dense[i, j] / dense.sum()
        chance = dense[i].sum() / dense.sum() * of_context[j] / of_context.sum()
        expected = max(0.0, math.log(share / chance)) if share else 0.0
        assert _association(counts)[i, j] == pytest.approx(expected, abs=1e-5)


def test_factors_are_those_of_numpy_up_to_scale(tokenizer: Tokenizer) -> None:
    association = _association(_neighbors([column(made_texts())], tokenizer))
    left, strengths, _ = np.linalg.svd(association.toarray())
    expected = left[:, :4] * np.sqrt(strengths[:4])
    expected /= np.linalg.norm(expected, axis=1).mean()
    found = _factored(association, 4)
    # The sign of each factor is free, the products of vectors are not.
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)


def test_words_of_one_subject_are_near_each_other() -> None:
    words, vectors = learn_vectors("words", [column(made_texts())], SETTINGS)
    unit = dict(zip(words, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))
    for same in SUBJECTS.values():
        for other in set(SUBJECTS.values()) - {same}:
            near = min(unit[same[0]] @ unit[word] for word in same)
            far = max(unit[same[0]] @ unit[word] for word in other)
            assert near > far + 0.5


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    words, vectors = learn_vectors("words", [column(made_texts())], SETTINGS)
    write_vectors_file(tmp_path / "vectors.txt", words, vectors)
    found = read_vectors(str(tmp_path / "vectors.txt"), [*SPECIAL, *words])
    np.testing.assert_allclose(found.table[len(SPECIAL) :], vectors, rtol=1e-4, atol=1e-7)
    assert found.is_known[len(SPECIAL) :].all()


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [
        ("bpe", [["ta lumo"]], "vectors are learned for words or characters, and .* is bpe"),
        ("words", [["ta lumo"], [["ta", "lumo"]]], "the datasets have both"),
        ("words", [["ta lumo mi"] * 9], r"only 3 words .* lower tokens\.vectors_size"),
    ],
)
def test_what_cannot_be_learned_raises(kind: str, columns: list[list[str]], message: str) -> None:
    with pytest.raises(RowError, match=message):
        learn_vectors(kind, [pa.chunked_array([rows]) for rows in columns], SETTINGS)
