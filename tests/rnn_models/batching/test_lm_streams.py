"""Streams of windows, compared with their texts."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, Ragged
from rnn_models.batching.lm_streams import Streams, stream_windows

texts = st.lists(st.lists(st.integers(4, 9), max_size=12), min_size=1, max_size=8)


def make_streams(rows, size=3, window=4, seed=1, epoch=1, is_joined=False):
    return stream_windows(
        Ragged.of(rows), size=size, window=window, seed=seed, epoch=epoch, is_joined=is_joined
    )


def read_by_stream(streams):
    """Inputs and targets of each stream, and the steps at which its state starts from zeros."""
    found = [([], [], []) for _ in range(streams.starts.shape[1])]
    for window in streams:
        for b, (inputs, targets, starts) in enumerate(found):
            length = int(window.lengths[b])
            if window.is_start[b]:
                starts.append(len(inputs))
            inputs += window.inputs[b, :length].tolist()
            targets += window.targets[b, :length].tolist()
    return found


@given(texts, st.integers(1, 5), st.integers(1, 6), st.integers(1, 3), st.booleans())
def test_each_token_and_each_end_is_predicted_exactly_once(rows, size, window, epoch, is_joined):
    targets = [
        i
        for _, targets, _ in read_by_stream(
            make_streams(rows, size, window, epoch=epoch, is_joined=is_joined)
        )
        for i in targets
    ]
    assert sorted(targets) == sorted([i for row in rows for i in row] + [EOS_ID] * len(rows))


@given(texts, st.integers(1, 5), st.integers(1, 6), st.integers(1, 3))
def test_concatenated_streams_are_the_texts_in_some_order(rows, size, window, epoch):
    streams = read_by_stream(make_streams(rows, size, window, epoch=epoch))
    inputs, targets = ([i for stream in streams for i in stream[side]] for side in (0, 1))
    begins = [i for i, token in enumerate(inputs) if token == BOS_ID]
    found = []
    for begin, end in zip(begins, [*begins[1:], len(inputs)], strict=True):
        assert targets[end - 1] == EOS_ID
        assert inputs[begin + 1 : end] == targets[begin : end - 1]
        found.append(targets[begin : end - 1])
    assert sorted(found) == sorted(rows)


@given(texts, st.integers(1, 5), st.integers(1, 6))
def test_joined_texts_keep_their_order(rows, size, window):
    streams = read_by_stream(make_streams(rows, size, window, is_joined=True))
    inputs, targets = ([i for stream in streams for i in stream[side]] for side in (0, 1))
    assert targets == [i for row in rows for i in [*row, EOS_ID]]
    assert inputs == [BOS_ID, *targets[:-1]]


@given(texts, st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_state_is_reset_only_at_stream_and_separate_text_starts(rows, size, window, is_joined):
    for read, _, starts in read_by_stream(make_streams(rows, size, window, is_joined=is_joined)):
        begins = {i for i, token in enumerate(read) if token == BOS_ID and not is_joined}
        assert starts == sorted({0} | begins)


@given(texts, st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_streams_have_equal_length_and_windows_at_most_the_set_length(
    rows, size, window, is_joined
):
    streams = make_streams(rows, size, window, is_joined=is_joined)
    lengths = streams.lengths.sum(0)
    assert len(lengths) == min(size, sum(len(row) + 1 for row in rows))
    assert lengths.max() - lengths.min() <= 1
    assert streams.lengths.max() <= window
    for found in streams:
        assert (
            found.inputs.shape
            == found.targets.shape
            == (len(lengths), max(1, int(found.lengths.max())))
        )
        padding = torch.arange(found.inputs.shape[1]) >= found.lengths[:, None]
        assert (found.inputs[padding] == PAD_ID).all()
        assert (found.targets[padding] == PAD_ID).all()


def test_long_text_fills_all_windows_but_those_at_its_ends():
    streams = make_streams([[4] * 999], size=4, window=16)
    assert (streams.lengths[1:-1] == 16).all()
    assert (streams.lengths[0] >= 8).all()


def test_window_records_its_texts():
    rows = [[10 * i + j for j in range(1, 6)] for i in range(1, 9)]
    for window in make_streams(rows, size=2, window=3):
        for b in range(len(window)):
            if window.lengths[b] > 1:
                assert int(window.targets[b, 0]) in (*rows[window.indices[b]], EOS_ID)


def windows_of(streams):
    return [
        (w.inputs.tolist(), w.targets.tolist(), w.lengths.tolist(), w.is_start.tolist())
        for w in streams
    ]


@given(texts, st.integers(1, 3), st.integers(1, 3))
def test_windows_depend_on_seed_and_epoch_only(rows, seed, epoch):
    np.random.seed(0)  # the state of the global generator must not matter
    assert windows_of(make_streams(rows, seed=seed, epoch=epoch)) == windows_of(
        make_streams(rows, seed=seed, epoch=epoch)
    )


def test_different_seed_or_epoch_gives_different_windows():
    rows = [[4 + i % 6] * (5 + i % 7) for i in range(40)]
    orders = [
        windows_of(make_streams(rows, seed=seed, epoch=epoch))
        for seed, epoch in [(1, 1), (1, 2), (2, 1)]
    ]
    assert all(a != b for a, b in pairwise([*orders, orders[0]]))


def test_window_by_index_equals_the_one_of_the_iteration():
    streams = make_streams([[4, 5, 6] * 9, [7, 8]], size=2)
    assert isinstance(streams, Streams)
    assert windows_of([streams[2]]) == windows_of(streams)[2:3]
    assert windows_of(streams[3:]) == windows_of(streams)[3:]


@pytest.mark.parametrize("size", [1, 7, 50])
def test_number_of_streams_does_not_exceed_that_of_tokens(size):
    assert make_streams([[4, 5], []], size=size).starts.shape[1] == min(size, 4)
