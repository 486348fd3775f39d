"""The device and the precision of a model."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import torch

from rnn_models import devices
from rnn_models.checkpoints.machine import describe_machine
from rnn_models.devices import (
    autocast,
    describe_precision,
    find_device,
    has_bfloat16_lstm,
    seed_generators,
)
from rnn_models.layers import recurrent
from rnn_models.problem import problem_names
from rnn_models.settings import Encoder, TrainSettings
from rnn_models.training.training_state import Training
from tests.rnn_models.training.test_loop import are_equal, fitted

ROOT = Path(__file__).resolve().parents[2]
# oneDNN held to what a processor without AVX-512 has, so that any machine shows what such a one
# does.
SLOWER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def test_gpu_is_used_only_when_available_and_not_disabled(monkeypatch):
    found = {}
    for has_gpu in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda has_gpu=has_gpu: has_gpu)
        found[has_gpu] = [find_device(name).type for name in ("auto", "cpu")]
    assert found == {False: ["cpu", "cpu"], True: ["cuda", "cpu"]}


def test_requested_missing_gpu_raises(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ValueError,
        match="device must be auto or cpu on a machine where torch finds no GPU, got 'cuda'",
    ):
        find_device("cuda")


def test_seeded_numbers_equal_those_of_torch():
    drawn = []
    for seed in (torch.manual_seed, lambda number: seed_generators(torch.device("cpu"), number)):
        for number in (0, 7 * 1_000_003 + 12):
            seed(number)
            drawn.append(
                torch.cat([torch.rand(5), torch.empty(5).bernoulli_(0.5), torch.randperm(5)])
            )
    assert are_equal(dict(enumerate(drawn[:2])), dict(enumerate(drawn[2:])))
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize(
    ("precision", "kind"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_cpu_products_use_the_set_precision(precision, kind):
    with autocast(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("encoder", get_args(Encoder))
def test_bfloat16_training_keeps_float32_weights_and_close_losses(posed, encoder, num_layers):
    options = {
        "encoder": encoder,
        "num_layers": num_layers,
        "layer_norm": num_layers == 2,
        "residual": num_layers == 2,
    }
    options |= {"dropout": 0.0, "token_dropout": 0.0, "max_epochs": 2}
    plain = fitted(posed, **options)
    fast = fitted(posed, **options, precision="bfloat16")
    assert {w.dtype for w in fast.weights.values()} == {torch.float32}
    # Squared errors are small numbers, so a share of them is no bound: bfloat16 has 8 bits.
    expected = pytest.approx([s.loss for s in plain.steps], rel=0.03, abs=0.02)
    assert [s.loss for s in fast.steps] == expected
    assert [s.loss for s in fast.steps] != [s.loss for s in plain.steps]


def test_bfloat16_training_is_bit_reproducible(posed):
    first, second = (fitted(posed, max_epochs=1, precision="bfloat16") for _ in range(2))
    assert are_equal(first.weights, second.weights)


BITS_OF_ALL = """
import sys
from rnn_models.devices import find_device, has_bfloat16_lstm
from rnn_models.checkpoints.machine import describe_machine
from rnn_models.problem import problem_names
from rnn_models.settings import TrainSettings
from tests.rnn_models.conftest import pose
from tests.rnn_models.training.test_loop import fitted
print(has_bfloat16_lstm("cpu"))
print(describe_machine(TrainSettings(device="cpu", precision="bfloat16"))["precision"])
print(describe_machine(TrainSettings(device="cpu", precision="float32"))["precision"])
print(describe_machine(TrainSettings(device="cpu"))["instructions"])
for name in problem_names():
    plain, fast = (
        fitted(pose(name, num=20), max_epochs=1, device="cpu", precision=bits)
        for bits in ("float32", "bfloat16")
    )
    assert plain.steps[0].loss != fast.steps[0].loss, name
    assert abs(plain.steps[0].loss - fast.steps[0].loss) < 0.03 * plain.steps[0].loss, name
    print(name, fast.epochs[0].validation_loss)
"""


@cache
def on_a_slower_processor() -> list[str]:
    """The output of bfloat16 trainings in a process without AVX-512."""
    done = subprocess.run(
        [sys.executable, "-c", BITS_OF_ALL],
        env=os.environ | SLOWER,
        cwd=ROOT,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.case("E2")
def test_processor_without_avx_512_trains_lstm_layers_in_float32_and_logs_it():
    has_it, short, full, instructions, *trained = on_a_slower_processor()
    assert has_it == "False"
    assert short == "bfloat16, LSTM layers in float32"
    assert full == "float32"
    assert instructions.endswith("AVX2, oneDNN at most AVX2")
    assert [line.split()[0] for line in trained] == problem_names()


@pytest.mark.case("E2")
def test_machine_record_differs_on_a_slower_processor(monkeypatch):
    for name in SLOWER:
        monkeypatch.delenv(name, raising=False)
    here = describe_machine(TrainSettings(device="cpu", precision="bfloat16"))
    assert here["instructions"] != on_a_slower_processor()[3]
    assert list(here)[-1] == "device"  # by which a replay recognizes a GPU


@pytest.mark.case("E2")
@pytest.mark.parametrize("has_it", [True, False])
def test_recorded_precision_equals_the_precision_in_use(posed, monkeypatch, has_it):
    """Simulates a processor with and without bfloat16 for LSTM layers."""
    if has_it and not has_bfloat16_lstm("cpu"):
        assert (
            describe_precision(torch.device("cpu"), "bfloat16")
            == "bfloat16, LSTM layers in float32"
        )
        return
    for module in (devices, recurrent):
        monkeypatch.setattr(module, "has_bfloat16_lstm", lambda kind: has_it)
    kinds = set()
    plain_lstm = torch.lstm

    def watched(x, *given):
        out = plain_lstm(x, *given)
        kinds.add(out[0].dtype)
        return out

    monkeypatch.setitem(recurrent.KERNELS, "LSTM", watched)
    history = fitted(posed, encoder="lstm", max_epochs=1, device="cpu", precision="bfloat16")
    assert describe_precision(torch.device("cpu"), "bfloat16") == (
        "bfloat16" if has_it else "bfloat16, LSTM layers in float32"
    )
    assert (torch.bfloat16 in kinds) is has_it  # validation is in float32 either way
    assert history.weights


def test_bfloat16_capability_is_tested_once(monkeypatch):
    has_bfloat16_lstm.cache_clear()
    calls = []
    plain_lstm = torch.lstm
    monkeypatch.setattr(torch, "lstm", lambda *given: calls.append(1) or plain_lstm(*given))
    assert has_bfloat16_lstm("cpu") == has_bfloat16_lstm("cpu")
    assert len(calls) == 1
    assert has_bfloat16_lstm("cuda")


def test_initial_weights_are_equal_on_every_device(posed):
    on_cpu = Training(posed.problem, posed.sizes, posed.settings.with_changes({"device": "cpu"}))
    by_default = Training(posed.problem, posed.sizes, posed.settings)
    for one, other in zip(on_cpu.parameters, by_default.parameters, strict=True):
        assert torch.equal(one.cpu(), other.cpu())
