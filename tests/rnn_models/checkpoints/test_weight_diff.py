"""Differences of weights: by bits, not values."""

import math
from pathlib import Path

import pytest
import torch

from rnn_models.checkpoints.checkpoint import save_model
from rnn_models.checkpoints.weight_diff import Change, changes_of_weights, misfits, read_weights
from rnn_models.problem import Sizes, find_problem


def test_equal_bits_are_no_change_for_any_values() -> None:
    weights = {
        "a": torch.tensor([1.0, -0.0, math.nan, math.inf]),
        "b": torch.zeros(0),
        "c": torch.tensor(2.0),
    }
    copies = {name: tensor.clone() for name, tensor in weights.items()}
    assert [(each.num_differing, each.largest) for each in changes_of_weights(weights, copies)] == [
        (0, 0.0)
    ] * 3
    assert misfits(weights, copies) == []


def test_changes_equal_those_of_a_loop_over_all_numbers() -> None:
    torch.manual_seed(0)
    ours = {"near": torch.randn(7, 5), "far": torch.randn(3, 2, 4), "same": torch.randn(6)}
    theirs = {name: tensor.clone() for name, tensor in ours.items()}
    theirs["near"][2, 3] += 1e-3
    theirs["far"][1] += torch.randn(2, 4)
    found = {each.name: each for each in changes_of_weights(ours, theirs)}
    assert list(found) == ["far", "near", "same"]
    for name, change in found.items():
        pairs = list(
            zip(ours[name].flatten().tolist(), theirs[name].flatten().tolist(), strict=True)
        )
        gaps = [abs(a - b) for a, b in pairs if a != b]
        assert change == Change(name, len(pairs), len(gaps), max(gaps, default=0.0))


def test_negative_zero_is_a_change_of_size_zero_listed_before_equal_tensors() -> None:
    ours = {"a": torch.ones(2), "b": torch.tensor([0.0, 1.0])}
    theirs = {"a": torch.ones(2), "b": torch.tensor([-0.0, 1.0])}
    assert changes_of_weights(ours, theirs) == [Change("b", 2, 1, 0.0), Change("a", 2, 0, 0.0)]


def test_damaged_file_raises(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"12345678 no weights")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        read_weights(tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_is_the_largest_difference(value: float) -> None:
    ours = {"a": torch.ones(2), "b": torch.ones(2)}
    theirs = {"a": torch.full((2,), 9.0), "b": torch.tensor([1.0, value])}
    assert changes_of_weights(ours, theirs) == [Change("b", 2, 1, None), Change("a", 2, 2, 8.0)]


def test_tensors_of_different_shape_or_type_or_on_one_side_are_not_comparable() -> None:
    ours = {"a": torch.ones(2, 3), "b": torch.ones(2), "c": torch.ones(1), "e": torch.ones(1)}
    theirs = {
        "a": torch.ones(3, 2),
        "b": torch.ones(2, dtype=torch.float64),
        "d": torch.ones(1),
        "e": torch.ones(1),
    }
    assert misfits(ours, theirs) == [
        "a: expected float32 (2, 3), found float32 (3, 2)",
        "b: expected float32 (2,), found float64 (2,)",
        "c: expected float32 (1,), found none",
        "d: expected none, found float32 (1,)",
    ]
    assert changes_of_weights(ours, theirs) == [Change("e", 1, 0, 0.0)]


def test_saved_weights_are_read(tmp_path: Path) -> None:
    problem = find_problem("sentiment")
    weights = {"a": torch.randn(2, 3)}
    save_model(tmp_path, weights, problem, Sizes(source=9, target=2), problem.defaults)
    assert changes_of_weights(weights, read_weights(tmp_path)) == [Change("a", 6, 0, 0.0)]
