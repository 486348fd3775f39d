"""The loss that never has all logits in memory, against the plain one."""

import pytest
import torch
from torch.nn.functional import cross_entropy, linear
from torch.utils._python_dispatch import TorchDispatchMode

import rnn_models.problems.generation as generation
import rnn_models.problems.translation as translation
from rnn_models.layers import projected_cross_entropy
from rnn_models.layers.projected_cross_entropy import LOGITS_AT_ONCE
from rnn_models.problem import find_problem

N = 11
O = 5  # noqa: E741
V = 7
CUTS = {
    "a row": 1,
    "rows that leave a rest": 3 * V,
    "all but one row": (N - 1) * V,
    "all rows": N * V,
}


def given(dtype=torch.float64):
    torch.manual_seed(5)
    states, weight, bias = (
        torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in ((N, O), (V, O), (V,))
    )
    return states, weight, bias, torch.arange(N) % V


def plain_nats(states, weight, bias, targets, *, smoothing=0.0):
    return cross_entropy(
        linear(states, weight, bias), targets, reduction="sum", label_smoothing=smoothing
    )


def projected_nats(*given, **options):
    """The minimized loss, in nats."""
    return projected_cross_entropy.projected_cross_entropy(*given, **options)[0]


def with_gradients(nats, inputs):
    return nats.detach(), torch.autograd.grad(nats / 9, inputs)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("at_once", [1, 3 * V])
def test_gradients_of_all_inputs_equal_finite_differences(at_once, smoothing):
    *inputs, targets = given()
    assert torch.autograd.gradcheck(
        lambda *x: projected_nats(*x, targets, smoothing=smoothing, at_once=at_once), inputs
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("at_once", CUTS.values(), ids=list(CUTS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_and_gradients_equal_the_plain_cross_entropy(dtype, at_once, smoothing):
    *inputs, targets = given(dtype)
    found = with_gradients(
        projected_nats(*inputs, targets, smoothing=smoothing, at_once=at_once), inputs
    )
    torch.testing.assert_close(
        found, with_gradients(plain_nats(*inputs, targets, smoothing=smoothing), inputs)
    )


@pytest.mark.parametrize("at_once", CUTS.values(), ids=list(CUTS))
def test_loss_is_equal_without_gradients(at_once):
    *inputs, targets = given()
    with torch.inference_mode():
        found = projected_nats(*inputs, targets, smoothing=0.1, at_once=at_once)
    assert not found.requires_grad
    torch.testing.assert_close(found, plain_nats(*inputs, targets, smoothing=0.1).detach())


@pytest.mark.case("D18")
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("at_once", CUTS.values(), ids=list(CUTS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_without_smoothing_uses_the_same_logits_and_has_no_gradient(dtype, at_once, smoothing):
    *inputs, targets = given(dtype)
    nats, plain = projected_cross_entropy.projected_cross_entropy(
        *inputs, targets, smoothing=smoothing, at_once=at_once
    )
    assert not plain.requires_grad
    torch.testing.assert_close(plain, plain_nats(*inputs, targets).detach())
    assert smoothing == 0.0 or float(plain) != pytest.approx(float(nats.detach()))


def test_large_logits_neither_overflow_nor_lose_their_gradient():
    states, weight, bias, targets = given(torch.float32)
    inputs = [(1e4 * states).detach().requires_grad_(), weight, bias]
    found = with_gradients(projected_nats(*inputs, targets, smoothing=0.1, at_once=V), inputs)
    assert all(bool(gradient.isfinite().all()) for gradient in found[1])
    torch.testing.assert_close(
        found,
        with_gradients(plain_nats(*inputs, targets, smoothing=0.1), inputs),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("fixed", [0, 1, 2])
def test_inputs_that_need_no_gradient_get_none_and_change_no_other(fixed):
    *inputs, targets = given()
    gradients = torch.autograd.grad(projected_nats(*inputs, targets, at_once=V), inputs)
    inputs[fixed].requires_grad_(False)
    projected_nats(*inputs, targets, at_once=V).backward()
    assert inputs[fixed].grad is None
    for index in {0, 1, 2} - {fixed}:
        assert torch.equal(inputs[index].grad, gradients[index])


def test_loss_of_no_rows_is_zero():
    states, weight, bias, targets = given()
    nats = projected_nats(states[:0], weight, bias, targets[:0], smoothing=0.1, at_once=V)
    assert [
        float(nats.detach()),
        *(float(g.abs().sum()) for g in torch.autograd.grad(nats, [weight, bias])),
    ] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("at_once", [1, 3 * V])
def test_products_use_the_set_precision_and_sums_full_precision(at_once):
    *inputs, targets = given(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        nats = projected_nats(*inputs, targets, smoothing=0.1, at_once=at_once)
        plain = plain_nats(*inputs, targets, smoothing=0.1)
    found = with_gradients(nats, inputs)
    expected = with_gradients(plain, inputs)
    assert {found[0].dtype, *(gradient.dtype for gradient in found[1])} == {torch.float32}
    torch.testing.assert_close(
        found[0], expected[0], rtol=1e-5, atol=0
    )  # the same logits, rounded alike
    torch.testing.assert_close(found[1], expected[1], rtol=0.02, atol=0.005)
    assert abs(float(found[0] - plain_nats(*inputs, targets, smoothing=0.1).detach())) > 1e-4


class Largest(TorchDispatchMode):
    """Records the size of the largest tensor that an operation makes."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.size = max(self.size, result.numel() if isinstance(result, torch.Tensor) else 0)
        return result


@pytest.mark.parametrize("is_trained", [True, False])
def test_logits_in_memory_are_limited(is_trained):
    states, weight, bias = (
        torch.randn(*shape, requires_grad=True) for shape in ((60, 2), (50, 2), (50,))
    )
    targets = torch.zeros(60, dtype=torch.long)
    sizes = []
    for nats_of in (plain_nats, lambda *given: projected_nats(*given, at_once=300)):
        with Largest() as largest, torch.set_grad_enabled(is_trained):
            nats = nats_of(states, weight, bias, targets)
            if is_trained:
                nats.backward()
        sizes.append(largest.size)
    assert sizes == [60 * 50, 300]


MODELS = [
    ("translation", {"tied_embeddings": tied, "input_feeding": is_fed})
    for tied in ("all", "target", "none")
    for is_fed in (False, True)
]
MODELS += [("generation", {"tied_embeddings": tied}) for tied in ("target", "none")]


@pytest.mark.parametrize(("name", "changes"), MODELS)
def test_model_with_shared_weights_has_the_gradient_of_the_plain_loss(
    request, monkeypatch, name, changes
):
    posed = request.getfixturevalue("shared_translation" if name == "translation" else name)
    model = posed.model(**changes)
    batch = posed.batch()
    found = []
    for module in (translation, generation):
        monkeypatch.setattr(
            module,
            "projected_cross_entropy",
            lambda *given, **options: (plain_nats(*given, **options),) * 2,
        )
    for at_once in (0, 40):
        if at_once:
            monkeypatch.undo()
            monkeypatch.setitem(LOGITS_AT_ONCE, "cpu", at_once)
        torch.manual_seed(3)
        nats, num, _ = find_problem(name).loss(model.train(), batch)
        found.append(
            (
                nats.detach(),
                num,
                torch.autograd.grad(nats / num, list(model.parameters()), allow_unused=True),
            )
        )
    torch.testing.assert_close(found[1], found[0])
