"""Where a model computes and with how many bits."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch

from rnn_models.devices import autocast, describe_precision, find_device, has_bfloat16_lstm, seed_generators
from rnn_models.recurrent import read, recurrence
from rnn_models.settings import Encoder
from rnn_models.training import Training
from tests.rnn_models.test_training import are_equal, fitted

ROOT = Path(__file__).resolve().parents[2]


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


SLOWER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}  # shows a processor without AVX-512


@pytest.mark.case("E2")
def test_a_processor_without_avx_512_trains_in_bfloat16_with_its_lstm_cells_in_float32():
    """Run the tests of bfloat16 in a process that has no bfloat16 LSTM, whatever this processor has."""
    chosen = "bfloat16 or fewer_bits or precision_is_what"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", f"({chosen}) and not avx_512"]
    files = ["tests/rnn_models/test_devices.py", "tests/rnn_models/test_ner.py", "tests/rnn_models/test_translation.py"]
    done = subprocess.run([*command, *files], cwd=ROOT, env=os.environ | SLOWER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    question = "from rnn_models.devices import has_bfloat16_lstm; print(has_bfloat16_lstm())"
    told = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, env=os.environ | SLOWER, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False"


@pytest.mark.case("E2")
@pytest.mark.parametrize(
    ("precision", "cell", "expected"),
    [
        ("float32", "lstm", {"float32"}),
        ("auto", "lstm", {"float32"}),
        ("bfloat16", "rnn", {"bfloat16"}),
        ("bfloat16", "lstm", {"bfloat16", "bfloat16 with LSTM cells in float32"}),
    ],
)
def test_the_described_precision_is_what_a_cpu_computes_in(precision, cell, expected):
    described = describe_precision(torch.device("cpu"), precision, cell)
    assert described in expected
    layer = recurrence(cell, 4, 8)
    with autocast(torch.device("cpu"), precision):
        states, _ = read(layer, torch.zeros(2, 3, 4), ())
    is_float = described == "float32" or (cell == "lstm" and not has_bfloat16_lstm())
    assert states.dtype == (torch.float32 if is_float else torch.bfloat16)
