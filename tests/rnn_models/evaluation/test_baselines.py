"""Baselines on examples small enough to work by hand."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.batching.batch import Examples, Ragged
from rnn_models.evaluation import baselines
from rnn_models.evaluation.baselines import (
    BASELINES,
    NGRAMS,
    character_ngrams,
    find_baseline,
    nearest_characters,
)
from rnn_models.evaluation.text_features import bag_of_ids, ngram_counts

# Words: 4 good, 5 bad, 6 and 7 neither.
LABELLED = Examples(
    Ragged.of([[4, 6], [4, 7, 7], [6, 4], [5, 6], [7, 5]]),
    Ragged.of([[1], [1], [1], [0], [0]]),
)
# 4 is tag 1 twice and tag 2 once; 5 is always 2; 6 is always 0; in all, 2 is the most frequent.
TAGGED = Examples(
    Ragged.of([[4, 5, 4], [5, 6, 4], [5, 6, 5]]),
    Ragged.of([[1, 2, 1], [2, 0, 2], [2, 0, 2]]),
)
# 4 is in every source, 5 to 7 in one each.
PAIRED = Examples(Ragged.of([[4, 5], [4, 6], [4, 4, 7]]), Ragged.of([[15], [16, 16], [17]]))


@pytest.mark.parametrize(
    ("name", "train", "test_rows", "expected"),
    [
        ("majority", LABELLED, [[5], [9, 9, 9]], [[1], [1]]),
        ("bag_of_words", LABELLED, [[4], [5], [7, 6, 4], [5, 5, 5]], [[1], [0], [1], [0]]),
        # 9 was never seen: it gets the tag that is the most frequent of all.
        ("frequent_tag", TAGGED, [[4, 6], [9], [6, 9, 4, 5]], [[1, 0], [2], [0, 2, 1, 2]]),
        # 4 behind 6 and at the end was tag 2, else 1; 9 was never seen; 5 before 4 and at the
        # start 2.
        (
            "tag_in_context",
            TAGGED,
            [[5, 6, 4], [4], [9, 9], [4, 5]],
            [[2, 0, 2], [1], [2, 2], [1, 2]],
        ),
        # What a source shares with one training source decides over what it shares with all.
        ("nearest_pair", PAIRED, [[6, 4], [7], [5, 4, 4, 4]], [[16, 16], [17], [15]]),
    ],
)
def test_baseline_equals_predictions_by_hand(name, train, test_rows, expected):
    test = Examples(Ragged.of(test_rows), Ragged.of([[0]] * len(test_rows)))
    assert find_baseline(name).predict(train, test) == expected


def test_bag_of_words_sees_neighbors_only():
    """The order of 4 and 5 is the label, visible only where they are neighbors."""
    near = [[4, 5] if i % 2 else [5, 4] for i in range(40)]
    train = Examples(Ragged.of(near), Ragged.of([[i % 2] for i in range(40)]))
    test = Examples(Ragged.of([[4, 5], [5, 4], [4, 9, 8, 5], [5, 9, 8, 4]]), Ragged.of([[0]] * 4))
    first, second, third, fourth = find_baseline("bag_of_words").predict(train, test)
    assert (first, second, third) == ([1], [0], fourth)


def test_bag_of_words_works_with_one_training_label():
    train = Examples(Ragged.of([[4, 5], [6]]), Ragged.of([[3], [3]]))
    assert find_baseline("bag_of_words").predict(train, train) == [[3], [3]]


@pytest.mark.case("D13")
def test_character_ngrams_learn_from_texts_without_spaces():
    """A word of three kana within others decides; no two texts share a whole word."""
    random = np.random.default_rng(0)
    others = ["".join(random.choice(list("アイウカキクサシス"), 8)) for _ in range(400)]
    texts = [
        text[:4] + ("ナニヌ" if i % 2 else "ネノヌ") + text[4:] for i, text in enumerate(others)
    ]
    labels = [("neg", "pos")[i % 2] for i in range(400)]
    assert character_ngrams(texts[:300], labels[:300], texts[300:]) == labels[300:]


def test_character_ngrams_sample_rows_of_a_large_split(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_ROWS", 10)
    texts = ["lu", "gr"] * 500 + ["zzz"]
    labels = ["pos", "neg"] * 500 + ["rare"]
    assert set(character_ngrams(texts, labels, texts[:2])) <= {"pos", "neg", "rare"}


@pytest.mark.case("D13")
def test_nearest_pair_by_characters_shares_a_substring():
    sources = ["アイウエオ", "カキクケコ", "サシスセソ"]
    targets = ["one", "two", "three"]
    assert nearest_characters(sources, targets, ["キクケ", "ンアイウ", "セソ"]) == [
        "two",
        "one",
        "three",
    ]


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=5), st.integers(1, 3))
def test_ngram_counts_equal_counts_by_hand(rows, order):
    ragged = Ragged.of(rows)
    counts = ngram_counts(ragged.ids.astype(np.int64), ragged.offsets, (order,))
    expected = [
        Counter(tuple(row[i : i + order]) for i in range(len(row) - order + 1)) for row in rows
    ]
    found = [sorted(counts[i].data.astype(int).tolist()) for i in range(len(rows))]
    assert found == [sorted(each.values()) for each in expected]


def test_source_without_overlap_gets_some_training_target():
    test = Examples(Ragged.of([[9]]), Ragged.of([[0]]))
    assert find_baseline("nearest_pair").predict(PAIRED, test)[0] in [[15], [16, 16], [17]]


def test_ids_are_counted_by_row():
    rows = Ragged.of([[3, 1, 3], [], [0]])
    counts = bag_of_ids(rows.ids, rows.offsets, 4)
    assert rows.ids.tolist() == [3, 1, 3, 0]
    assert counts.toarray().tolist() == [[0, 1, 0, 2], [0, 0, 0, 0], [1, 0, 0, 0]]


def mapped(column, folder):
    """The same column on disk, memory-mapped, as a token set is: a write to it fails."""
    folder.mkdir()
    np.save(folder / "ids.npy", column.ids)
    np.save(folder / "offsets.npy", column.offsets)
    return Ragged(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "offsets")))


@pytest.mark.parametrize(
    ("name", "examples"),
    [
        ("majority", LABELLED),
        ("bag_of_words", LABELLED),
        ("frequent_tag", TAGGED),
        ("tag_in_context", TAGGED),
        ("nearest_pair", PAIRED),
    ],
)
def test_baseline_reads_read_only_memory_mapped_ids(name, examples, tmp_path):
    on_disk = Examples(
        mapped(examples.source, tmp_path / "source"), mapped(examples.target, tmp_path / "target")
    )
    baseline = find_baseline(name).predict
    assert baseline(on_disk, on_disk) == baseline(examples, examples)


@pytest.mark.parametrize(
    ("name", "examples"),
    [
        ("majority", LABELLED),
        ("bag_of_words", LABELLED),
        ("frequent_tag", TAGGED),
        ("tag_in_context", TAGGED),
        ("nearest_pair", PAIRED),
    ],
)
def test_baseline_does_not_change_its_examples(name, examples):
    arrays = [a for side in (examples.source, examples.target) for a in (side.ids, side.offsets)]
    before = [a.copy() for a in arrays]
    find_baseline(name).predict(examples, examples)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_every_baseline_is_tested_here():
    tested = {"majority", "bag_of_words", "frequent_tag", "tag_in_context", "nearest_pair"}
    of_texts = {"character_ngrams", "nearest_characters"}
    assert set(BASELINES) == {*tested, *of_texts, *NGRAMS}  # n-grams in test_ngrams.py
    assert {name for name, baseline in BASELINES.items() if baseline.reads_texts} == of_texts


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bag_of_word", "there is no baseline 'bag_of_word': did you mean bag_of_words?"),
        (
            "xyz",
            "there is no baseline 'xyz': "
            f"expected one of {', '.join(sorted([*BASELINES, 'mean']))}",
        ),
    ],
)
def test_unknown_baseline_raises_with_the_nearest_names(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_baseline(name)


def test_num_parameters_of_a_bag_of_words_are_those_of_its_classifier() -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.svm import LinearSVC

    for labels in ([0, 1, 0, 1], [0, 1, 2, 1]):
        train = Examples(
            Ragged.of([[4, 5], [6], [5, 7], [4]]), Ragged.of([[label] for label in labels])
        )
        features = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+").fit_transform(
            ["4 5", "6", "5 7", "4"]
        )
        fitted = LinearSVC().fit(features, train.target.ids)
        assert (
            find_baseline("bag_of_words").num_learnt(train)
            == fitted.coef_.size + fitted.intercept_.size
        )


def test_parameters_of_character_ngrams_are_counted() -> None:
    # Of " ab ": 3 characters (a space twice), 3 pairs, 2 triples, 1 of four.
    assert (
        find_baseline("character_ngrams").num_learnt(["ab", "ab"], ["x", "y"]) == 3 + 3 + 2 + 1 + 1
    )
    assert find_baseline("nearest_characters").num_learnt(["ab", "c"], ["d", "ef"]) == 6


def test_every_baseline_counts_its_parameters() -> None:
    train = Examples(Ragged.of([[4, 5], [6]]), Ragged.of([[0, 1], [1]]))
    found = {
        name: baseline.num_learnt(train)
        for name, baseline in BASELINES.items()
        if not baseline.reads_texts
    }
    assert found == {
        "majority": 1,
        "bag_of_words": 4 + 1,
        "frequent_tag": 7,
        "tag_in_context": 3,
        "nearest_pair": 6,
        # Of 0 1 and its end, 1 and its end.
        "unigram": 3,
        "bigram": 3 + 4,
        "trigram": 3 + 4 + 5,
        "fourgram": 12 + 5,
        "fivegram": 17 + 5,
    }
