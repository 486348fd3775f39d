"""Slices of a test split, counted by hand, and the rate of false alarms."""

import numpy as np
import pytest

from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.slices import LEAST, by_length, by_unknown, score_slices

ACCURACY = find_metric("accuracy")
BITS = find_metric("bits_per_character")


def hits(answers):
    return np.column_stack([answers, np.ones(len(answers))]).astype(np.float64)


def test_slice_score_equals_that_of_its_examples_alone():
    answers = np.asarray([1, 1, 0, 1, 0, 0, 0, 1])
    masks = {"even": np.arange(8) % 2 == 0, "first": np.arange(8) < 3}
    found = score_slices(ACCURACY, hits(answers), masks, {})
    assert [(each.name, each.num_examples, each.value) for each in found] == [
        ("even", 4, 25.0),
        ("first", 3, pytest.approx(200 / 3)),
    ]
    assert all(each.low <= each.value <= each.high for each in found)


def test_class_slice_has_its_f1_and_number_of_references():
    predictions = ["a", "a", "b", "c", "a"]
    references = ["a", "b", "b", "b", "a"]
    found = score_slices(
        ACCURACY,
        hits([s == t for s, t in zip(predictions, references, strict=True)]),
        {},
        ACCURACY.classes(predictions, references),
    )
    # a: 2 correct, predicted 3 times, 2 references; b: 1 correct, predicted once, 3 references.
    assert [(each.name, each.num_examples, each.value) for each in found] == [
        ("a", 2, 80.0),
        ("b", 3, 50.0),
    ]


def test_only_a_significantly_worse_slice_is_weak():
    answers = np.asarray(
        [1] * 180 + [0] * 20 + [1, 0] * 100
    )  # 90 % of the first half, 50 % of the second
    is_first = np.arange(400) < 200
    found = score_slices(ACCURACY, hits(answers), {"first": is_first, "second": ~is_first}, {})
    assert [(each.name, each.is_weak) for each in found] == [("first", False), ("second", True)]
    assert found[1].high < 70 < found[0].low


def test_slice_with_the_higher_cost_is_weak():
    nats = np.where(np.arange(200) < 100, 10.0, 30.0) + np.random.default_rng(0).normal(size=200)
    rows = np.column_stack([nats, np.full(200, 10.0), np.full(200, 10.0)])
    is_dear = np.arange(200) >= 100
    assert [
        each.is_weak for each in score_slices(BITS, rows, {"cheap": ~is_dear, "dear": is_dear}, {})
    ] == [False, True]


@pytest.mark.parametrize(("num", "is_weak"), [(LEAST - 1, False), (LEAST, True)])
def test_slice_of_few_examples_is_omitted(num, is_weak):
    index = np.arange(1000)
    found = score_slices(ACCURACY, hits(index >= num), {"few": index < num}, {})
    assert (found[0].value, found[0].is_weak) == (0.0, is_weak)


def test_false_alarms_of_weak_slices_are_rare():
    random = np.random.default_rng(1)
    alarms = 0
    parts = np.arange(300) % 10
    masks = {str(part): parts == part for part in range(10)}
    for _ in range(100):
        alarms += any(
            each.is_weak
            for each in score_slices(ACCURACY, hits(random.random(300) < 0.7), masks, {})
        )
    assert (
        alarms <= 9
    )  # 2.5 % are expected; more than 9 of 100 come by chance once in a thousand times


def test_length_slices_are_thirds_with_truncated_lengths_apart():
    lengths = np.asarray([*range(1, 10)] * 10 + [30, 1000])
    found = by_length(lengths, 20)
    assert {name: mask.sum() for name, mask in found.items()} == {
        "1 to 3 tokens": 30,
        "4 to 6 tokens": 30,
        "7 to 9 tokens": 30,
        "30 to 1,000 tokens, longer than in training": 2,
    }
    assert np.array_equal(sum(mask.astype(int) for mask in found.values()), np.ones(92))


def test_few_texts_have_fewer_length_slices():
    assert list(by_length(np.arange(60), 100)) == ["0 to 29 tokens", "30 to 59 tokens"]
    assert list(by_length(np.asarray([1, 2, 50]), 20)) == [
        "1 to 2 tokens",
        "50 to 50 tokens, longer than in training",
    ]


@pytest.mark.parametrize("lengths", [[4, 4, 4], [50, 60], []])
def test_texts_of_equal_length_have_no_length_slices(lengths):
    assert by_length(np.asarray(lengths, dtype=np.int64), 20) == {}


def test_unknown_word_shares_are_sliced_into_none_some_and_many():
    found = by_unknown(np.asarray([0.0, 0.1, 0.05, 0.11, 1.0, 0.0]), "words")
    assert {name: np.flatnonzero(mask).tolist() for name, mask in found.items()} == {
        "no unknown words": [0, 5],
        "up to 10 % unknown words": [1, 2],
        "over 10 % unknown words": [3, 4],
    }
    assert list(by_unknown(np.asarray([0.5, 0.0]), "characters")) == [
        "no unknown characters",
        "over 10 % unknown characters",
    ]
    assert by_unknown(np.asarray([0.0, 0.0]), "words") == {}
