"""Word vectors as the start of every problem's source embedding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rnn_models.checkpoints.checkpoint import load_model, save_model
from rnn_models.layers.word_vectors import source_embedding
from rnn_models.problem import find_problem, problem_names
from rnn_models.training.training_state import Training
from tests.rnn_models.conftest import pose
from tests.rnn_models.training.test_loop import fitted

KNOWN = [5, 8]


@pytest.fixture(params=[name for name in problem_names() if find_problem(name).rows[0] != "label"])
def posed(request):
    """Each problem in turn whose source is text."""
    return pose(request.param)


@pytest.fixture
def vectors(posed):
    random = np.random.default_rng(9)
    table = random.normal(size=(posed.sizes.source, posed.settings.embedding_size)).astype(
        np.float32
    )
    return table, np.isin(np.arange(len(table)), KNOWN)


def table_of(posed, weights):
    model = posed.problem.build(posed.sizes, posed.settings)
    table = source_embedding(model, posed.sizes).table.weight
    return weights[next(name for name, p in model.named_parameters() if p is table)]


def test_every_problem_starts_from_word_vectors(posed, vectors):
    with_vectors = Training(posed.problem, posed.sizes, posed.settings, vectors)
    without = Training(posed.problem, posed.sizes, posed.settings)
    table, plain = (
        source_embedding(t.model, posed.sizes).table.weight for t in (with_vectors, without)
    )
    assert torch.equal(table[KNOWN], torch.from_numpy(vectors[0][KNOWN]))
    others = [i for i in range(posed.sizes.source) if i not in KNOWN]
    assert torch.equal(table[others], plain[others])


@pytest.mark.parametrize("tune_vectors", [True, False])
def test_word_vectors_of_a_model_are_trained_only_when_set(posed, vectors, tune_vectors):
    weights = fitted(posed, vectors=vectors, tune_vectors=tune_vectors, max_epochs=1).weights
    assert (
        torch.equal(table_of(posed, weights)[KNOWN], torch.from_numpy(vectors[0][KNOWN]))
        != tune_vectors
    )


def test_model_with_frozen_vectors_is_saved_and_loaded_completely(posed, vectors, tmp_path):
    history = fitted(posed, vectors=vectors, tune_vectors=False, max_epochs=1)
    save_model(tmp_path, history.weights, posed.problem, posed.sizes, posed.settings)
    _, model = load_model(tmp_path)
    assert torch.equal(
        source_embedding(model, posed.sizes).table.weight[KNOWN],
        torch.from_numpy(vectors[0][KNOWN]),
    )


@pytest.fixture
def with_fixed(posed, vectors):
    """The last three source ids are words that training lacks, so examples have only ids before."""
    more = (
        np.random.default_rng(2).normal(size=(3, posed.settings.embedding_size)).astype(np.float32)
    )
    sizes = replace(posed.sizes, source=posed.sizes.source + 3, fixed=3)
    return replace(posed, sizes=sizes), (
        np.concatenate([vectors[0], more]),
        np.append(vectors[1], [True] * 3),
    )


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "adam"}, {"optimizer": "sgd"}, {"average_steps": 2}, {"average_epochs": 2}],
)
def test_vectors_of_words_missing_from_training_stay_unchanged(with_fixed, changes):
    posed, vectors = with_fixed
    weights = fitted(posed, vectors=vectors, weight_decay=0.5, **changes).weights
    name = next(name for name in weights if name.endswith(".fixed"))
    torch.testing.assert_close(weights[name], torch.from_numpy(vectors[0][-3:]), rtol=1e-6, atol=0)


def test_words_missing_from_training_do_not_affect_others(with_fixed, posed, vectors):
    with_more, more = with_fixed
    found = fitted(with_more, vectors=more)
    plain = fitted(posed, vectors=vectors)
    assert [step.loss for step in found.steps] == [step.loss for step in plain.steps]


def test_fixed_id_has_its_vector_and_gets_no_gradient_from_padding(with_fixed):
    posed, vectors = with_fixed
    embedding = source_embedding(
        Training(posed.problem, posed.sizes, posed.settings, vectors).model, posed.sizes
    ).eval()
    ids = torch.tensor([[posed.sizes.source - 1, KNOWN[0]], [KNOWN[1], posed.sizes.source - 3]])
    found = embedding(ids)
    assert torch.equal(found, torch.from_numpy(vectors[0])[ids])
    found.sum().backward()
    assert embedding.table.weight.grad.any(1).nonzero().flatten().tolist() == KNOWN


def test_model_with_fixed_vectors_is_saved_and_loaded_completely(with_fixed, tmp_path):
    posed, vectors = with_fixed
    save_model(
        tmp_path,
        fitted(posed, vectors=vectors, max_epochs=1).weights,
        posed.problem,
        posed.sizes,
        posed.settings,
    )
    embedding = source_embedding(load_model(tmp_path)[1], posed.sizes)
    assert torch.equal(embedding.fixed, torch.from_numpy(vectors[0][-3:]))


def test_model_without_a_word_embedding_raises(posed):
    sizes = replace(posed.sizes, source=999)
    with pytest.raises(
        ValueError, match="no embedding of 999 source ids to start from word vectors"
    ):
        source_embedding(posed.model(), sizes)
