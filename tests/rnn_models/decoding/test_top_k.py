"""The most likely ids of a row, against the log probabilities of all of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.decoding.top_k import STRETCH, candidates, highest

# Fewer ids than are wanted, fewer stretches, whole stretches, some ids beyond the last.
NUM_IDS = [1, 3, STRETCH, 5 * STRETCH, 6 * STRETCH, 6 * STRETCH + 1, 20 * STRETCH - 1]


def drawn(seed, num_rows, num_ids, *, levels=0):
    logits = 3 * torch.randn(num_rows, num_ids, generator=torch.Generator().manual_seed(seed))
    return (levels * logits).round() / levels if levels else logits


@pytest.mark.parametrize("num_ids", NUM_IDS)
@given(seed=st.integers(0, 9999), num=st.integers(1, 7), num_rows=st.integers(1, 5))
def test_top_k_equals_that_of_all_log_probabilities(num_ids, seed, num, num_rows):
    logits = drawn(seed, num_rows, num_ids)
    expected, expected_ids = logits.log_softmax(1).topk(min(num, num_ids), dim=1)
    found, ids = candidates(logits.clone(), num)
    assert torch.equal(ids, expected_ids)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("num_ids", NUM_IDS)
@given(seed=st.integers(0, 9999), num=st.integers(1, 7))
def test_equal_logits_are_selected_without_duplicates(num_ids, seed, num):
    logits = drawn(seed, 4, num_ids, levels=1)
    values, ids = highest(logits, num)
    assert torch.equal(values, logits.topk(min(num, num_ids), dim=1).values)
    assert torch.equal(logits.gather(1, ids), values)
    assert all(len(set(row)) == len(row) for row in ids.tolist())


@given(seed=st.integers(0, 9999), scale=st.sampled_from([1e-3, 1.0, 100.0]))
def test_log_probabilities_are_at_most_zero(seed, scale):
    logits = scale * drawn(seed, 4, 6 * STRETCH)
    assert candidates(logits, 3)[0].max() <= 0


def test_barred_id_comes_last_with_zero_probability():
    logits = torch.full((1, 6 * STRETCH + 2), float("-inf"))
    logits[0, [3, 200, 6 * STRETCH + 1]] = torch.tensor([1.0, 3.0, 2.0])
    found, ids = candidates(logits.clone(), 5)
    assert ids[0, :3].tolist() == [200, 6 * STRETCH + 1, 3]
    torch.testing.assert_close(found[0, :3], torch.tensor([3.0, 2.0, 1.0]).log_softmax(0))
    assert found[0, 3:].tolist() == [float("-inf")] * 2
