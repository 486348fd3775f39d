"""Ragged columns, padding and the order of an epoch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_models.batching.batch import (
    PAD_ID,
    Examples,
    Ragged,
    Words,
    epoch_batches,
    length_mask,
    sorted_batches,
)

rows = st.lists(st.lists(st.integers(4, 99), max_size=9), min_size=1, max_size=20)
lengths = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60)
orders = st.fixed_dictionaries({"size": st.integers(1, 12), "tokens": st.integers(1, 120)})


def of_lengths(pairs):
    """Examples of given source and target lengths."""
    return Examples(*(Ragged.of([[5] * n for n in side]) for side in zip(*pairs, strict=True)))


@given(rows)
def test_ragged_column_returns_its_rows(rows):
    column = Ragged.of(rows)
    assert [column.row(i) for i in range(len(column))] == rows


@given(rows, st.randoms())
def test_selected_rows_are_padded_on_the_right_to_the_longest(rows, random):
    indices = [random.randrange(len(rows)) for _ in rows]
    ids, lengths = Ragged.of(rows).take(np.asarray(indices))
    width = max(1, *(len(rows[i]) for i in indices))
    assert ids.tolist() == [rows[i] + [PAD_ID] * (width - len(rows[i])) for i in indices]
    assert lengths.tolist() == [len(rows[i]) for i in indices]


def test_selection_reads_a_read_only_memory_mapped_column(tmp_path):
    np.save(tmp_path / "ids.npy", np.array([4, 5, 6], dtype=np.int32))
    column = Ragged(np.load(tmp_path / "ids.npy", mmap_mode="r"), np.array([0, 1, 3]))
    assert column.take(np.array([0, 1]))[0].tolist() == [[4, PAD_ID], [5, 6]]


def test_batch_keeps_source_and_target_of_an_example_together():
    examples = Examples(Ragged.of([[4], [5, 5], [6]]), Ragged.of([[14, 14], [15], [16]]))
    batch = examples.batch(np.array([2, 0]))
    assert (batch.source.tolist(), batch.target.tolist()) == ([[6], [4]], [[16, PAD_ID], [14, 14]])
    assert batch.num_tokens == 2


@given(rows, st.randoms())
def test_words_of_a_batch_are_spelled_once_and_indexed_by_position(rows, random):
    spellings = [
        [random.randrange(4, 9) for _ in range(random.randrange(1, 6))] for _ in range(100)
    ]
    examples = Examples(
        Ragged.of(rows), Ragged.of(rows), Words(Ragged.of(rows), Ragged.of(spellings))
    )
    indices = [random.randrange(len(rows)) for _ in rows]
    spelled = examples.batch(np.asarray(indices)).spelled
    chosen = [rows[i] for i in indices]
    assert (
        len(spelled.characters)
        == len(spelled.lengths)
        == len({word for row in chosen for word in row})
    )
    assert spelled.lengths.tolist() == sorted(spelled.lengths.tolist())
    table = [
        ids[:n]
        for ids, n in zip(spelled.characters.tolist(), spelled.lengths.tolist(), strict=True)
    ]
    for row, indices_of_row in zip(chosen, spelled.indices.tolist(), strict=True):
        assert [table[index] for index in indices_of_row[: len(row)]] == [
            spellings[word] for word in row
        ]
        assert set(indices_of_row[len(row) :]) <= {len(table)}


def test_batch_without_words_has_no_spellings():
    assert of_lengths([(2, 1)]).batch(np.array([0])).spelled is None


def test_batch_moves_its_words_to_a_device():
    words = Words(Ragged.of([[0, 1]]), Ragged.of([[4], [5, 6]]))
    batch = (
        Examples(Ragged.of([[7, 8]]), Ragged.of([[0]]), words)
        .batch(np.array([0]))
        .to(torch.device("meta"))
    )
    assert {
        tensor.device.type
        for tensor in (batch.spelled.characters, batch.spelled.lengths, batch.spelled.indices)
    } == {"meta"}


def test_length_mask_marks_the_real_tokens():
    mask = length_mask(torch.tensor([2, 0, 3]), 3)
    assert mask.int().tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]


@given(lengths, orders, st.integers(0, 5), st.integers(1, 5))
def test_epoch_covers_each_example_exactly_once(pairs, budget, seed, epoch):
    batches = epoch_batches(of_lengths(pairs), **budget, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(pairs)))


@given(lengths, orders)
@pytest.mark.parametrize(
    "make", [sorted_batches, lambda examples, **b: epoch_batches(examples, **b, seed=1, epoch=1)]
)
def test_batch_respects_its_limits_of_size_and_padded_tokens(make, pairs, budget):
    examples = of_lengths(pairs)
    for batch in make(examples, **budget):
        assert 1 <= len(batch) <= budget["size"]
        assert len(batch) == 1 or len(batch) * max(max(pairs[i]) for i in batch) <= budget["tokens"]


@given(lengths, orders)
@example(pairs=[(5, 3)] * 4, budget={"size": 9, "tokens": 10})  # exactly full
def test_batch_takes_the_next_example_when_it_fits(pairs, budget):
    examples = of_lengths(pairs)
    batches = sorted_batches(examples, **budget)[::-1]
    for batch, following in pairwise(batches):
        longest = max(max(pairs[i]) for i in (*batch, following[0]))
        assert len(batch) == budget["size"] or (len(batch) + 1) * longest > budget["tokens"]


@given(lengths, orders, st.integers(0, 5), st.integers(1, 5))
def test_order_of_an_epoch_depends_on_seed_and_epoch_only(pairs, budget, seed, epoch):
    first = epoch_batches(of_lengths(pairs), **budget, seed=seed, epoch=epoch)
    np.random.seed(0)  # the global generator must not matter
    epoch_batches(of_lengths(pairs), **budget, seed=seed + 1, epoch=epoch)
    again = epoch_batches(of_lengths(pairs), **budget, seed=seed, epoch=epoch)
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]


@pytest.mark.parametrize("other", [{"seed": 2, "epoch": 1}, {"seed": 1, "epoch": 2}])
def test_different_seed_or_epoch_has_different_order_and_batches(other):
    examples = of_lengths([(3, 1)] * 40)
    one = epoch_batches(examples, size=4, tokens=99, seed=1, epoch=1)
    two = epoch_batches(examples, size=4, tokens=99, **other)
    assert {frozenset(batch) for batch in one} != {frozenset(batch) for batch in two}


def test_training_batches_are_not_sorted_by_length():
    examples = of_lengths([(n, 1) for n in range(1, 41)])
    first = [
        examples.lengths[batch][0]
        for batch in epoch_batches(examples, size=4, tokens=999, seed=1, epoch=1)
    ]
    assert first not in (sorted(first), sorted(first, reverse=True))


def test_evaluation_batches_are_sorted_longest_first():
    examples = of_lengths([(n, 1) for n in (3, 9, 1, 7, 5)])
    batches = sorted_batches(examples, size=2, tokens=99)
    assert [examples.lengths[batch].max() for batch in batches] == [9, 7, 3]
