"""The CRF against a list of all paths."""

import copy
import math
from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnn_models.layers.crf import CRF

LENGTHS = [4, 1, 3, 2]
# Every tag may start, follow or end; then: no start with 1, no 0 to 1, no 2 to 2; then also no end
# with 2.
FREE = (
    torch.ones(3, 3, dtype=torch.bool),
    torch.ones(3, dtype=torch.bool),
    torch.ones(3, dtype=torch.bool),
)
BARRED = (
    torch.tensor([[1, 0, 1], [1, 1, 1], [1, 1, 0]]).bool(),
    torch.tensor([1, 0, 1]).bool(),
    FREE[2],
)
OPEN = (*BARRED[:2], torch.tensor([1, 1, 0]).bool())
RULES = pytest.mark.parametrize("rules", [FREE, BARRED, OPEN], ids=["free", "barred", "open"])


def drawn(rules, seed=0, lengths=LENGTHS, *, is_strict=True) -> tuple[CRF, Tensor, Tensor]:
    """A CRF of random weights, emissions (B, T, K), lengths (B,)."""
    torch.manual_seed(seed)
    crf = CRF(*rules, is_strict=is_strict).double()
    for weight in crf.parameters():
        torch.nn.init.normal_(weight, std=2.0)
    return (
        crf,
        2 * torch.randn(len(lengths), max(lengths), 3, dtype=torch.float64),
        torch.tensor(lengths),
    )


def is_allowed(path, rules):
    allowed, start, end = rules
    return (
        bool(start[path[0]])
        and bool(end[path[-1]])
        and all(allowed[a, b] for a, b in pairwise(path))
    )


def score(crf, emissions, path):
    """Add up one path, term by term."""
    total = (
        crf.start[path[0]]
        + crf.end[path[-1]]
        + sum(emissions[t, tag] for t, tag in enumerate(path))
    )
    return total + sum(crf.transitions[a, b] for a, b in pairwise(path))


def all_scores(crf, emissions, length, rules):
    """Each allowed path of a length with its score."""
    emissions = emissions.detach()
    crf = copy.deepcopy(crf).requires_grad_(False)
    paths = [path for path in product(range(3), repeat=length) if is_allowed(path, rules)]
    return {path: score(crf, emissions, path) for path in paths}


def path_probabilities(crf, emissions, length, rules):
    """Each allowed path of a length with its probability."""
    scores = all_scores(crf, emissions, length, rules)
    probabilities = torch.stack([*scores.values()]).softmax(0)
    return dict(zip(scores, probabilities.tolist(), strict=True))


@RULES
@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_log_partition_sums_over_all_allowed_paths(rules, seed):
    crf, emissions, lengths = drawn(rules, seed)
    expected = [
        torch.logsumexp(torch.stack([*all_scores(crf, row, n, rules).values()]), 0)
        for row, n in zip(emissions, LENGTHS, strict=True)
    ]
    torch.testing.assert_close(crf.log_partition(emissions, lengths), torch.stack(expected))


@RULES
@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_viterbi_finds_the_best_allowed_path_and_its_score(rules, seed):
    crf, emissions, lengths = drawn(rules, seed)
    tags, scores = crf.viterbi(emissions, lengths)
    for row, n, path, found in zip(emissions, LENGTHS, tags.tolist(), scores, strict=True):
        listed = all_scores(crf, row, n, rules)
        assert tuple(path[:n]) == max(listed, key=listed.__getitem__)
        torch.testing.assert_close(found, listed[tuple(path[:n])])


@RULES
def test_path_score_is_the_sum_of_its_terms(rules):
    crf, emissions, lengths = drawn(rules)
    paths = [
        next(iter(all_scores(crf, row, n, rules)))
        for row, n in zip(emissions, LENGTHS, strict=True)
    ]
    tags = torch.tensor([[*path, *[0] * (max(LENGTHS) - len(path))] for path in paths])
    expected = [score(crf, row, path) for row, path in zip(emissions, paths, strict=True)]
    torch.testing.assert_close(crf.path_score(emissions, tags, lengths), torch.stack(expected))


@RULES
def test_probabilities_of_all_allowed_paths_sum_to_one(rules):
    crf, emissions, lengths = drawn(rules, lengths=[3])
    paths = torch.tensor([*all_scores(crf, emissions[0], 3, rules)])
    nats = crf(emissions.expand(len(paths), -1, -1), paths, lengths.expand(len(paths)))
    assert float((-nats.detach()).exp().sum()) == pytest.approx(1.0)


def test_viterbi_never_takes_a_forbidden_transition_despite_high_emissions():
    crf, _, lengths = drawn(BARRED)
    emissions = torch.zeros(4, 4, 3, dtype=torch.float64)
    emissions[:, 0, 1] = emissions[:, 1:, 2] = 100.0  # a start with 1, then 2 after 2
    tags, _ = crf.viterbi(emissions, lengths)
    assert all(is_allowed(row[:n], BARRED) for row, n in zip(tags.tolist(), LENGTHS, strict=True))


def test_gradient_of_the_likelihood_equals_finite_differences():
    crf, emissions, lengths = drawn(FREE)
    tags = torch.randint(0, 3, emissions.shape[:2])

    def nats(emissions, transitions, start, end):
        weights = {"transitions": transitions, "start": start, "end": end}
        return torch.func.functional_call(crf, weights, (emissions, tags, lengths))

    inputs = (emissions, crf.transitions, crf.start, crf.end)
    assert torch.autograd.gradcheck(
        nats, tuple(x.detach().clone().requires_grad_() for x in inputs)
    )


def test_forbidden_transitions_keep_gradients_finite():
    crf, emissions, lengths = drawn(BARRED)
    crf(emissions, torch.zeros(emissions.shape[:2], dtype=torch.int64), lengths).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in crf.parameters())


@RULES
def test_values_at_padding_change_nothing(rules):
    crf, emissions, lengths = drawn(rules)
    tags = torch.zeros(emissions.shape[:2], dtype=torch.int64)
    padding = torch.arange(4) >= lengths[:, None]
    noisy = emissions.masked_fill(padding[:, :, None], 1e3)
    other = tags.masked_fill(padding, 1)
    assert torch.equal(crf(emissions, tags, lengths), crf(noisy, other, lengths))
    assert torch.equal(crf.viterbi(emissions, lengths)[1], crf.viterbi(noisy, lengths)[1])


@RULES
@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_marginal_sums_probabilities_of_all_allowed_paths_through_a_tag(rules, seed):
    crf, emissions, lengths = drawn(rules, seed)
    found = crf.marginals(emissions, lengths).detach()
    for row, n, probabilities in zip(emissions, LENGTHS, found, strict=True):
        expected = torch.zeros(4, 3, dtype=torch.float64)
        for path, p in path_probabilities(crf, row, n, rules).items():
            expected[range(n), path] += p
        torch.testing.assert_close(probabilities, expected)


@RULES
@pytest.mark.parametrize("num", [1, 2, 5, 100])
@settings(max_examples=10)
@given(seed=st.integers(0, 999))
def test_best_paths_are_the_highest_scoring_allowed_ones_in_order(rules, num, seed):
    crf, emissions, lengths = drawn(rules, seed)
    tags, scores = crf.best_paths(emissions, lengths, num)
    for row, n, paths, found in zip(
        emissions, LENGTHS, tags.tolist(), scores.tolist(), strict=True
    ):
        listed = sorted(all_scores(crf, row, n, rules).items(), key=lambda item: -float(item[1]))[
            :num
        ]
        assert [tuple(path[:n]) for path in paths[: len(listed)]] == [path for path, _ in listed]
        assert found[: len(listed)] == pytest.approx([float(s) for _, s in listed])
        assert found[len(listed) :] == [-math.inf] * (num - len(listed))


@RULES
@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_segment_probability_sums_all_paths_with_exactly_that_segment(rules, seed):
    crf, emissions, lengths = drawn(rules, seed)
    tags, _ = crf.viterbi(emissions, lengths)
    stretches = [
        (b, i, j) for b, n in enumerate(LENGTHS) for i in range(n) for j in range(i + 1, n + 1)
    ]
    goes_on = torch.tensor(
        [2, 0, -1]
    )  # what would lengthen a stretch that ends in 0 or in 1; nothing after 2
    found = crf.segment_probabilities(emissions, lengths, tags, torch.tensor(stretches), goes_on)
    for (b, i, j), probability in zip(stretches, found.tolist(), strict=True):
        stretch = tags[b, i:j].tolist()
        longer = int(goes_on[tags[b, j - 1]])
        likely = path_probabilities(crf, emissions[b], LENGTHS[b], rules).items()
        expected = sum(
            p for path, p in likely if [*path[i:j]] == stretch and path[j : j + 1] != (longer,)
        )
        assert probability == pytest.approx(float(expected), abs=1e-9)


def test_lax_likelihood_counts_forbidden_paths_and_decoding_excludes_them():
    crf, emissions, lengths = drawn(BARRED, is_strict=False)
    free = CRF(*FREE).double()
    free.load_state_dict(crf.state_dict())
    tags = torch.ones(emissions.shape[:2], dtype=torch.int64)
    assert torch.equal(crf(emissions, tags, lengths), free(emissions, tags, lengths))
    strict, _, _ = drawn(BARRED)
    assert torch.equal(
        crf.log_partition(emissions, lengths), strict.log_partition(emissions, lengths)
    )
    for paths in (
        crf.viterbi(emissions, lengths)[0][:, None],
        crf.best_paths(emissions, lengths, 2)[0],
    ):
        assert all(
            is_allowed(path[:n], BARRED)
            for row, n in zip(paths.tolist(), LENGTHS, strict=True)
            for path in row[:1]
        )


def test_no_emission_outweighs_a_forbidden_transition():
    crf, _, lengths = drawn(BARRED)
    emissions = torch.zeros(4, 4, 3, dtype=torch.float64)
    emissions[:, 0, 1] = emissions[:, 1:, 2] = 1e9
    for paths in (
        crf.viterbi(emissions, lengths)[0],
        crf.best_paths(emissions, lengths, 2)[0][:, 0],
    ):
        assert all(
            is_allowed(row[:n], BARRED) for row, n in zip(paths.tolist(), LENGTHS, strict=True)
        )


@RULES
def test_values_at_padding_change_no_marginal_and_no_best_path(rules):
    crf, emissions, lengths = drawn(rules)
    padding = torch.arange(4) >= lengths[:, None]
    noisy = emissions.masked_fill(padding[:, :, None], 1e3)
    assert torch.equal(crf.marginals(emissions, lengths), crf.marginals(noisy, lengths))
    assert torch.equal(
        crf.best_paths(emissions, lengths, 3)[1], crf.best_paths(noisy, lengths, 3)[1]
    )
