"""The log partition in scaled sums against the one in logarithms, whose gradient is autograd's."""

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnn_models.layers.crf import CRF
from rnn_models.layers.crf_partition import LogPartition, mixing_steps, steps_between
from rnn_models.layers.tag_schemes import Scheme, tag_steps

TAGS = ("O", "B-ka", "I-ka", "B-mo", "I-mo")
SCHEMES = pytest.mark.parametrize("scheme", ["bio", "bioes"])


def drawn(
    scheme: str, lengths: list[int], *, spread: float = 2.0, seed: int = 0
) -> tuple[CRF, Tensor, Tensor]:
    """A tagger's CRF of random weights in float64, emissions (B, T, K), lengths (B,)."""
    torch.manual_seed(seed)
    tags = Scheme(TAGS, scheme).tags
    crf = CRF(*tag_steps(tags)).double()
    for weight in crf.parameters():
        torch.nn.init.normal_(weight, std=2.0)
    return (
        crf,
        spread * torch.randn(len(lengths), max(lengths), len(tags), dtype=torch.float64),
        torch.tensor(lengths),
    )


def every(crf: CRF, emissions: Tensor, lengths: Tensor) -> int:
    return steps_between(emissions, lengths, [w.detach() for w in crf.parameters()], crf.mixing)


def with_gradients(crf: CRF, emissions: Tensor, lengths: Tensor) -> list[Tensor]:
    """Log partitions, and the gradients of a weighed sum of them."""
    inputs = [emissions.detach().requires_grad_(), *crf.parameters()]
    found = crf.log_partition(inputs[0], lengths)
    weights = torch.linspace(0.5, 1.5, len(lengths), dtype=found.dtype)
    return [
        found.detach(),
        *torch.autograd.grad((found * weights).sum(), inputs, materialize_grads=True),
    ]


def in_logarithms(crf: CRF, emissions: Tensor, lengths: Tensor) -> list[Tensor]:
    """The same in float64, left to autograd."""
    other = CRF(~crf.is_forbidden, ~crf.is_forbidden_start, ~crf.is_forbidden_end).double()
    other.load_state_dict(crf.state_dict())
    other.mixing = 0
    return with_gradients(other, emissions.double(), lengths)


@SCHEMES
@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    spread=st.sampled_from([0.0, 2.0, 5.0, 20.0, 100.0]),
)
def test_scaled_and_logarithmic_sums_have_equal_values_and_gradients(scheme, seed, lengths, spread):
    crf, emissions, lengths = drawn(scheme, lengths, spread=spread, seed=seed)
    for found, expected in zip(
        with_gradients(crf, emissions, lengths), in_logarithms(crf, emissions, lengths), strict=True
    ):
        torch.testing.assert_close(found, expected)


@SCHEMES
def test_gradient_equals_finite_differences(scheme):
    crf, emissions, lengths = drawn(scheme, [5, 1, 3])
    num = every(crf, emissions, lengths)
    assert num

    def nats(*inputs):
        return LogPartition.apply(inputs[0], lengths, *inputs[1:], num)

    inputs = (emissions, *(w.detach().masked_fill(w == 0, -20.0) for w in crf.steps(0.0)))
    assert torch.autograd.gradcheck(nats, tuple(x.requires_grad_() for x in inputs))


@SCHEMES
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_two_hundred_float32_steps_stay_accurate(scheme, spread):
    crf, emissions, lengths = drawn(scheme, [200, 150, 7], spread=spread)
    crf = crf.float()
    emissions = emissions.float()
    assert every(crf, emissions, lengths)
    for found, expected in zip(
        with_gradients(crf, emissions, lengths), in_logarithms(crf, emissions, lengths), strict=True
    ):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)


@SCHEMES
def test_only_allowed_path_is_not_lost_at_the_largest_spread(scheme):
    crf, emissions, lengths = drawn(scheme, [40], spread=0.0)
    torch.nn.init.zeros_(crf.transitions)
    while every(
        crf, emissions, lengths
    ):  # O begs for each step but the last two, which only an entity may take
        last = emissions
        emissions = emissions.clone()
        emissions[:, :-2, 0] += 1.0
        emissions[:, -2:, 0] -= 1.0
    found = with_gradients(crf, last, lengths)
    expected = in_logarithms(crf, last, lengths)
    assert last[0, 0, 0] > 20
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("value", [1e4, float("inf"), float("nan")])
def test_large_spreads_and_nonfinite_emissions_use_logarithmic_sums(value):
    crf, emissions, lengths = drawn("bioes", [4, 2])
    emissions[0, 1, 0] = value
    assert every(crf, emissions, lengths) == 0
    emissions[0, 1, 0] = 0.0
    emissions[1, 3, 0] = value  # padding
    assert every(crf, emissions, lengths) > 0


def all_paths(allowed: Tensor, num: int) -> list[tuple[int, ...]]:
    paths = product(range(len(allowed)), repeat=num + 1)
    return [path for path in paths if all(allowed[a, b] for a, b in pairwise(path))]


@settings(max_examples=60)
@given(bits=st.integers(0, 2**9 - 1), start=st.integers(0, 7), end=st.integers(0, 7))
def test_mixing_steps_are_the_smallest_number_that_connects_all_tags(bits, start, end):
    allowed, start, end = (
        torch.tensor([n >> i & 1 for i in range(size)]).bool()
        for n, size in ((bits, 9), (start, 3), (end, 3))
    )
    allowed = allowed.view(3, 3)
    num = mixing_steps(allowed, start, end)
    for shorter in range(num):
        paths = all_paths(allowed, shorter)
        assert len({(path[0], path[-1]) for path in paths}) < 9
        assert any(start[path[0]] and end[path[-1]] for path in paths)
    if num:
        assert len({(path[0], path[-1]) for path in all_paths(allowed, num)}) == 9
    else:  # five steps are the most that three tags need, if they ever mix (Wielandt, 1950)
        reached = torch.linalg.matrix_power(allowed.double(), 5)
        has_path = [
            (torch.linalg.matrix_power(allowed.double(), n)[start][:, end] > 0).any()
            for n in range(5)
        ]
        assert not (bool((reached > 0).all()) and all(has_path))


@SCHEMES
def test_entity_tags_mix_after_few_steps(scheme):
    assert 0 < mixing_steps(*tag_steps(Scheme(TAGS, scheme).tags)) <= 3
