"""Checkpoints are loaded as saved."""

import pytest
import torch
from safetensors.torch import save_file

from rnn_models.checkpoints.checkpoint import (
    WEIGHTS,
    load_model,
    load_weights,
    save_model,
    weights_of,
)
from rnn_models.decoding.predict import predict_all


def written(posed, model, folder, **changes):
    save_model(
        folder, weights_of(model), posed.problem, posed.sizes, posed.settings.with_changes(changes)
    )
    return load_model(folder)


@pytest.mark.parametrize(
    "changes", [{}, {"encoder": "gru", "num_layers": 2}, {"encoder": "rnn", "pooling": "last"}]
)
def test_loaded_checkpoint_gives_bit_identical_outputs(posed, changes, tmp_path):
    model = posed.model(**changes)
    problem, read = written(posed, model, tmp_path, **changes)
    assert problem is posed.problem
    assert torch.equal(posed.logits(read, posed.batch()), posed.logits(model, posed.batch()))
    assert predict_all(problem, read, posed.examples) == predict_all(problem, model, posed.examples)


def test_shared_embedding_is_saved_once_and_still_shared_when_loaded(shared_translation, tmp_path):
    model = shared_translation.model()
    assert "target_embedding.table.weight" not in weights_of(model)
    _, read = written(shared_translation, model, tmp_path)
    assert read.source_embedding is read.target_embedding
    batch = shared_translation.batch()
    assert torch.equal(
        shared_translation.logits(read, batch), shared_translation.logits(model, batch)
    )


def test_loaded_model_is_in_evaluation_mode(posed, tmp_path):
    assert not written(posed, posed.model(), tmp_path)[1].training


def test_copied_weights_are_independent_of_the_model(posed):
    model = posed.model()
    weights = weights_of(model)
    before = {name: w.clone() for name, w in weights.items()}
    for parameter in model.parameters():
        parameter.data.zero_()
    assert all(torch.equal(weights[name], before[name]) for name in before)


def test_weights_of_other_names_raise_with_the_name(sentiment):
    weights = weights_of(sentiment.model())
    weights["project.scale"] = weights.pop("project.bias")
    with pytest.raises(
        ValueError, match=r"weights do not fit: \['project.bias', 'project.scale'\] differ"
    ):
        load_weights(sentiment.model(), weights)


def test_weights_of_another_shape_raise_with_the_name(sentiment):
    weights = weights_of(sentiment.model())
    weights["project.bias"] = torch.zeros(1)  # would spread over all labels
    with pytest.raises(ValueError, match=r"project.bias must be of shape \(3,\), got \(1,\)"):
        load_weights(sentiment.model(), weights)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_nonfinite_weights_raise_on_save_and_load(sentiment, wrong, tmp_path):
    model = sentiment.model()
    written(sentiment, model, tmp_path)
    weights = weights_of(model)
    weights["project.bias"][1] = wrong
    before = (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(FloatingPointError, match=r"weights of project\.bias are infinite or not"):
        save_model(tmp_path, weights, sentiment.problem, sentiment.sizes, sentiment.settings)
    assert (tmp_path / WEIGHTS).read_bytes() == before
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(FloatingPointError, match=r"model\.safetensors cannot be used: retrain"):
        load_model(tmp_path)
