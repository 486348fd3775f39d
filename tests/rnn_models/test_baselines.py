"""Baselines on examples small enough to work by hand."""

import re

import numpy as np
import pytest

from rnn_models.baselines import BASELINES, NGRAMS, count_matrix, find_baseline, num_learnt
from rnn_models.batch import Examples, Ragged

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
# 4 stands in every source, 5 to 7 in one each.
PAIRED = Examples(Ragged.of([[4, 5], [4, 6], [4, 4, 7]]), Ragged.of([[15], [16, 16], [17]]))


@pytest.mark.parametrize(
    ("name", "train", "asked", "expected"),
    [
        ("majority", LABELLED, [[5], [9, 9, 9]], [[1], [1]]),
        ("bag_of_words", LABELLED, [[4], [5], [7, 6, 4], [5, 5, 5]], [[1], [0], [1], [0]]),
        # 9 was never seen: it gets the tag that is the most frequent of all.
        ("frequent_tag", TAGGED, [[4, 6], [9], [6, 9, 4, 5]], [[1, 0], [2], [0, 2, 1, 2]]),
        # What a source shares with one training source decides over what it shares with all.
        ("nearest_pair", PAIRED, [[6, 4], [7], [5, 4, 4, 4]], [[16, 16], [17], [15]]),
    ],
)
def test_a_baseline_answers_as_worked_by_hand(name, train, asked, expected):
    test = Examples(Ragged.of(asked), Ragged.of([[0]] * len(asked)))
    assert find_baseline(name)(train, test) == expected


def test_a_bag_of_words_does_not_see_order_or_repetition():
    test = Examples(Ragged.of([[4, 7], [7, 4], [7, 4, 7, 7]]), Ragged.of([[0]] * 3))
    assert len({label for (label,) in find_baseline("bag_of_words")(LABELLED, test)}) == 1


def test_a_source_that_shares_nothing_gets_some_training_target():
    test = Examples(Ragged.of([[9]]), Ragged.of([[0]]))
    assert find_baseline("nearest_pair")(PAIRED, test)[0] in [[15], [16, 16], [17]]


def test_ids_are_counted_by_row():
    counts = count_matrix(Ragged.of([[3, 1, 3], [], [0]]), 4)
    assert counts.toarray().tolist() == [[0, 1, 0, 2], [0, 0, 0, 0], [1, 0, 0, 0]]


def mapped(column, folder):
    """The same column on disk, memory-mapped, as a token set is: a write to it fails."""
    folder.mkdir()
    np.save(folder / "ids.npy", column.ids)
    np.save(folder / "offsets.npy", column.offsets)
    return Ragged(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "offsets")))


@pytest.mark.parametrize(
    ("name", "examples"),
    [("majority", LABELLED), ("bag_of_words", LABELLED), ("frequent_tag", TAGGED), ("nearest_pair", PAIRED)],
)
def test_a_baseline_reads_memory_mapped_ids_that_may_not_be_written(name, examples, tmp_path):
    on_disk = Examples(mapped(examples.source, tmp_path / "source"), mapped(examples.target, tmp_path / "target"))
    baseline = find_baseline(name)
    assert baseline(on_disk, on_disk) == baseline(examples, examples)


@pytest.mark.parametrize(
    ("name", "examples"),
    [("majority", LABELLED), ("bag_of_words", LABELLED), ("frequent_tag", TAGGED), ("nearest_pair", PAIRED)],
)
def test_a_baseline_leaves_its_examples_as_they_were(name, examples):
    arrays = [a for side in (examples.source, examples.target) for a in (side.ids, side.offsets)]
    before = [a.copy() for a in arrays]
    find_baseline(name)(examples, examples)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_every_baseline_is_tested_here():
    assert set(BASELINES) == {"majority", "bag_of_words", "frequent_tag", "nearest_pair", *NGRAMS}  # of these in test_ngrams.py


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bag_of_word", "there is no baseline 'bag_of_word': did you mean bag_of_words?"),
        ("xyz", f"there is no baseline 'xyz': expected one of {', '.join(sorted(BASELINES))}"),
    ],
)
def test_an_unknown_baseline_is_refused_with_the_nearest_names(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_baseline(name)


def test_the_parameters_of_a_bag_of_words_are_those_of_its_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    for labels in ([0, 1, 0, 1], [0, 1, 2, 1]):
        train = Examples(Ragged.of([[4, 5], [6], [5, 7], [4]]), Ragged.of([[label] for label in labels]))
        fitted = LogisticRegression().fit(count_matrix(train.source, 8), train.target.ids)
        assert num_learnt("bag_of_words", train) == fitted.coef_.size + fitted.intercept_.size


def test_every_baseline_counts_what_it_learns() -> None:
    train = Examples(Ragged.of([[4, 5], [6]]), Ragged.of([[0, 1], [1]]))
    assert {name: num_learnt(name, train) for name in BASELINES} == {
        "majority": 1, "bag_of_words": 8, "frequent_tag": 7, "nearest_pair": 6,
        "unigram": 3, "bigram": 3 + 4, "trigram": 3 + 4 + 5,  # of 0 1 and its end, 1 and its end
    }  # fmt: skip
