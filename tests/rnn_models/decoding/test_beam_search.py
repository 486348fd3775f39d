"""Beam search against a list of all texts, and greedy search written out."""

import math
from functools import partial
from itertools import product, zip_longest
from unittest.mock import patch

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from rnn_models.decoding.beam_search import Beams, beam_search, powers

V = 6  # four special ids and two words
IDS = (UNK_ID, 4, 5)
MAX_LENGTH = 4


def drawn(seed, num, *, is_masked=True):
    """Log probabilities of each next id after each history, (B, V ** MAX_LENGTH, V)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(num, V**MAX_LENGTH, V, generator=generator, dtype=torch.float64)
    if is_masked:
        logits[:, :, [PAD_ID, BOS_ID]] = float("-inf")
    return logits.log_softmax(2)


def search(table, *, width, max_lengths, length_penalty=1.0, tables=None):
    """Search with a decoder whose state is its whole history, as one number in base V."""

    def step(rows, fixed, state):
        place, read = (part[rows.origin] for part in state)
        read = (V * read + rows.ids) % V**MAX_LENGTH
        return table[place, read], (place, read)

    tables = torch.arange(len(table)) if tables is None else torch.tensor(tables)
    state = (tables, torch.zeros_like(tables))
    steps = torch.tensor(max_lengths)
    found = beam_search(
        step, state, width=width, max_lengths=steps, length_penalty=length_penalty, num_best=1
    )
    return [hypotheses[0] for hypotheses in found]


def search_all(table, *, width, max_lengths, length_penalty, num_best):
    """As ``search``, all hypotheses; a state that no step changes names the table of a row."""
    counts = []

    def step(rows, fixed, state):
        counts.append(len(rows.ids))
        read = (V * state[0][rows.origin] + rows.ids) % V**MAX_LENGTH
        return table[fixed[0][rows.indices // width], read], (read,)

    tables = torch.arange(len(table))
    steps = torch.tensor(max_lengths)
    found = beam_search(
        step, (torch.zeros_like(tables),), fixed=(tables,), width=width, max_lengths=steps,
        length_penalty=length_penalty, num_best=num_best,
    )  # fmt: skip
    return found, counts


def slow_search(log_probability, ids, *, width, max_length, length_penalty, num_best):
    """Beam search over lists, one hypothesis and one id at a time, up to the longest text.

    All beams at the end, and how many grew at each step before the best were decided.
    """
    beams = [(0.0, 0.0, [])]
    counts = []
    is_open = True
    for _ in range(max_length):
        growing = [hypothesis for _, _, hypothesis in beams if EOS_ID not in hypothesis]
        if not growing:
            break
        reach = (
            max(total for _, total, hypothesis in beams if EOS_ID not in hypothesis)
            / max_length**length_penalty
        )
        is_open = (
            is_open
            and sum(score > reach for score, _, hypothesis in beams if EOS_ID in hypothesis)
            < num_best
        )
        counts.extend([len(growing)] * is_open)
        beams = [beam for beam in beams if EOS_ID in beam[2]] + [
            (total / len(hypothesis) ** length_penalty, total, hypothesis)
            for hypothesis in ([*text, i] for text in growing for i in ids)
            if (total := log_probability(hypothesis)) > -math.inf
        ]
        beams = sorted(beams, key=lambda beam: -beam[0])[:width]
    return [
        ([i for i in hypothesis if i != EOS_ID], score) for score, _, hypothesis in beams
    ], counts


def log_probability(rows, ids):
    read = 0
    total = 0.0
    for previous, following in zip([BOS_ID, *ids], ids, strict=False):
        read = (V * read + previous) % V**MAX_LENGTH
        total += float(rows[read, following])
    return total


def best_of_all(rows, max_length, length_penalty):
    """Try every text that ends in time or is truncated."""
    ended = [[*text, EOS_ID] for n in range(max_length) for text in product(IDS, repeat=n)]
    cut = [list(text) for text in product(IDS, repeat=max_length)]
    scores = [
        (log_probability(rows, hypothesis) / len(hypothesis) ** length_penalty, hypothesis)
        for hypothesis in ended + cut
    ]
    score, hypothesis = max(scores)
    return [i for i in hypothesis if i != EOS_ID], score


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@given(
    seed=st.integers(0, 9999),
    max_lengths=st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=3),
)
def test_beam_wide_enough_for_all_texts_finds_the_best(length_penalty, seed, max_lengths):
    table = drawn(seed, len(max_lengths))
    found = search(table, width=150, max_lengths=max_lengths, length_penalty=length_penalty)
    for hypothesis, rows, max_length in zip(found, table, max_lengths, strict=True):
        ids, score = best_of_all(rows, max_length, length_penalty)
        assert (hypothesis.ids, hypothesis.score) == (ids, pytest.approx(score, rel=1e-5))


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("num_best", [1, 2, 3])
@given(
    seed=st.integers(0, 9999),
    width=st.integers(3, 9),
    max_lengths=st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=4),
)
def test_best_texts_equal_those_of_a_reference_search(
    length_penalty, num_best, seed, width, max_lengths
):
    table = drawn(seed, len(max_lengths))
    found, counts = search_all(
        table,
        width=width,
        max_lengths=max_lengths,
        length_penalty=length_penalty,
        num_best=num_best,
    )
    expected_counts = [0] * MAX_LENGTH
    for hypotheses, rows, max_length in zip(found, table, max_lengths, strict=True):
        slow, grown = slow_search(
            partial(log_probability, rows),
            range(V),
            width=width,
            max_length=max_length,
            length_penalty=length_penalty,
            num_best=num_best,
        )
        assert [hypothesis.ids for hypothesis in hypotheses] == [ids for ids, _ in slow[:num_best]]
        assert [h.score for h in hypotheses] == pytest.approx(
            [score for _, score in slow[:num_best]], rel=1e-5
        )
        expected_counts = [a + b for a, b in zip_longest(expected_counts, grown, fillvalue=0)]
    assert counts == [
        count for count in expected_counts if count
    ]  # no step for what is finished or decided, nor for padding


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("num_best", [1, 2, 3])
@given(
    seed=st.integers(0, 9999),
    width=st.integers(3, 9),
    max_lengths=st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=4),
    has_ties=st.booleans(),
)
@example(
    seed=0, width=8, max_lengths=[3, 3, 3, 3], has_ties=False
)  # fewer rows, other ends of the tensors
def test_early_stopping_changes_no_text_and_no_score(
    length_penalty, num_best, seed, width, max_lengths, has_ties
):
    """With ties too: of scores that are 0, -1 and -2 for each id many texts have the same."""
    table = drawn(seed, len(max_lengths))
    table = (
        table.clamp(min=-2).round().masked_fill(table.isneginf(), float("-inf"))
        if has_ties
        else table
    )
    table = table - table.logsumexp(2, keepdim=True)
    wanted = {
        "width": width,
        "max_lengths": max_lengths,
        "length_penalty": length_penalty,
        "num_best": num_best,
    }
    early, early_counts = search_all(table, **wanted)
    with patch.object(Beams, "are_decided", lambda beams, *_: ~beams.is_live.any(1)):
        late, late_counts = search_all(table, **wanted)
    assert early == late
    assert sum(early_counts) <= sum(late_counts)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0, 1.2, 2.0])
def test_length_divisor_does_not_depend_on_the_batch(exponent):
    """Powers in float32 have another last bit in the last few numbers of a tensor than before."""
    expected = torch.tensor([max(n, 1) ** exponent for n in range(201)])
    for longest in range(1, 200):
        assert (
            powers(torch.tensor([1, longest]), exponent).tolist()
            == expected[: longest + 1].tolist()
        )


def test_overflowing_length_divisor_is_infinite():
    assert powers(torch.tensor([9]), 400.0).tolist() == [1.0, 1.0, *[math.inf] * 8]


def test_sequence_ends_when_its_best_hypotheses_are_finished():
    """<eos> has 0.9 at each step: the empty text is best at once, the second best a step later."""
    table = torch.full((1, V**MAX_LENGTH, V), math.log(0.02), dtype=torch.float64)
    table[:, :, EOS_ID] = math.log(0.9)
    found, counts = search_all(
        table, width=3, max_lengths=[MAX_LENGTH], length_penalty=1.0, num_best=1
    )
    assert (found[0][0].ids, found[0][0].score) == ([], pytest.approx(math.log(0.9)))
    assert counts == [1]
    _, counts = search_all(table, width=3, max_lengths=[MAX_LENGTH], length_penalty=1.0, num_best=2)
    assert counts == [1, 2]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@given(seed=st.integers(0, 9999))
def test_beam_of_one_equals_greedy_search(length_penalty, seed):
    table = drawn(seed, 3)
    expected = []
    for rows in table:
        ids = []
        read = BOS_ID
        while len(ids) < MAX_LENGTH and EOS_ID not in ids:
            ids.append(int(rows[read].argmax()))
            read = (V * read + ids[-1]) % V**MAX_LENGTH
        expected.append([i for i in ids if i != EOS_ID])
    found = search(table, width=1, max_lengths=[MAX_LENGTH] * 3, length_penalty=length_penalty)
    assert [hypothesis.ids for hypothesis in found] == expected


@given(seed=st.integers(0, 9999), width=st.integers(1, 4))
def test_score_of_a_hypothesis_is_log_probability_over_length_divisor(seed, width):
    table = drawn(seed, 1)
    (found,) = search(table, width=width, max_lengths=[MAX_LENGTH])
    ids = [*found.ids, EOS_ID][:MAX_LENGTH]
    assert found.score == pytest.approx(log_probability(table[0], ids) / len(ids), rel=1e-5)


@given(
    seed=st.integers(0, 9999), width=st.integers(1, 4), length_penalty=st.sampled_from([0.0, 1.0])
)
def test_batch_decodes_like_its_sequences_alone(seed, width, length_penalty):
    table = drawn(seed, 4)
    max_lengths = [4, 1, 3, 2]
    together = search(table, width=width, max_lengths=max_lengths, length_penalty=length_penalty)
    for i, max_length in enumerate(max_lengths):
        (alone,) = search(
            table, width=width, max_lengths=[max_length], length_penalty=length_penalty, tables=[i]
        )
        assert (together[i].ids, together[i].score) == (alone.ids, pytest.approx(alone.score))


@given(seed=st.integers(0, 9999), width=st.integers(1, 4))
def test_hypothesis_contains_no_padding_start_or_end_ids(seed, width):
    found = search(drawn(seed, 3, is_masked=False), width=width, max_lengths=[MAX_LENGTH] * 3)
    assert not {PAD_ID, BOS_ID, EOS_ID} & {i for hypothesis in found for i in hypothesis.ids}


@given(
    width=st.integers(1, 4),
    max_lengths=st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=4),
)
def test_text_without_end_is_truncated_at_its_maximum_length(width, max_lengths):
    table = drawn(1, len(max_lengths))
    table[:, :, EOS_ID] = float("-inf")
    found = search(table, width=width, max_lengths=max_lengths)
    assert [len(hypothesis.ids) for hypothesis in found] == max_lengths


def test_higher_length_penalty_never_prefers_a_shorter_text():
    table = drawn(5, 20)
    lengths = [
        [
            len(h.ids)
            for h in search(table, width=150, max_lengths=[MAX_LENGTH] * 20, length_penalty=penalty)
        ]
        for penalty in (0.0, 1.0, 2.0)
    ]
    assert all(low <= mid <= high for low, mid, high in zip(*lengths, strict=True))
    assert lengths[0] != lengths[2]


def test_empty_batch_has_no_hypotheses():
    assert search(drawn(1, 1)[:0], width=2, max_lengths=[]) == []


def test_number_of_hypotheses_does_not_exceed_that_of_texts():
    table = drawn(3, 1)
    found, _ = search_all(table, width=9, max_lengths=[1], length_penalty=1.0, num_best=9)
    assert sorted(hypothesis.ids for hypothesis in found[0]) == [[], [UNK_ID], [4], [5]]
