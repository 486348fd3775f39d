"""Where a model computes and with how many bits."""

from typing import get_args

import pytest
import torch

from rnn_models.devices import autocast, find_device, seed_generators
from rnn_models.settings import Encoder
from rnn_models.training import Training
from tests.rnn_models.test_training import are_equal, fitted


def test_a_gpu_is_taken_only_where_there_is_one_and_it_is_not_refused(monkeypatch):
    found = {}
    for has_gpu in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda has_gpu=has_gpu: has_gpu)
        found[has_gpu] = [find_device(name).type for name in ("auto", "cpu")]
    assert found == {False: ["cpu", "cpu"], True: ["cuda", "cpu"]}


def test_a_gpu_that_is_asked_for_and_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device must be auto or cpu on a machine where torch finds no GPU, got 'cuda'"):
        find_device("cuda")


def test_seeds_give_the_numbers_that_torch_gives_of_them():
    drawn = []
    for seed in (torch.manual_seed, lambda number: seed_generators(torch.device("cpu"), number)):
        for number in (0, 7 * 1_000_003 + 12):
            seed(number)
            drawn.append(torch.cat([torch.rand(5), torch.empty(5).bernoulli_(0.5), torch.randperm(5)]))
    assert are_equal(dict(enumerate(drawn[:2])), dict(enumerate(drawn[2:])))
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize(
    ("precision", "kind"), [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_products_on_a_cpu_have_the_bits_that_were_asked_for(precision, kind):
    with autocast(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("encoder", get_args(Encoder))
def test_a_training_in_bfloat16_keeps_its_weights_in_float32_and_its_losses_close(posed, encoder, num_layers):
    options = {"encoder": encoder, "num_layers": num_layers, "layer_norm": num_layers == 2, "residual": num_layers == 2}
    options |= {"dropout": 0.0, "token_dropout": 0.0, "max_epochs": 2}
    plain, fast = fitted(posed, **options), fitted(posed, **options, precision="bfloat16")
    assert {w.dtype for w in fast.weights.values()} == {torch.float32}
    assert [s.loss for s in fast.steps] == pytest.approx([s.loss for s in plain.steps], rel=0.03)
    assert [s.loss for s in fast.steps] != [s.loss for s in plain.steps]


def test_a_training_in_bfloat16_repeats_itself_to_the_last_bit(posed):
    first, second = (fitted(posed, max_epochs=1, precision="bfloat16") for _ in range(2))
    assert are_equal(first.weights, second.weights)


def test_a_model_starts_alike_wherever_it_computes(posed):
    on_cpu = Training(posed.problem, posed.sizes, posed.settings.with_changes({"device": "cpu"}))
    by_default = Training(posed.problem, posed.sizes, posed.settings)
    for one, other in zip(on_cpu.parameters, by_default.parameters, strict=True):
        assert torch.equal(one.cpu(), other.cpu())
