"""Word vectors from characters, against one word at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rnn_models.batching.batch import Examples, Ragged, Spelled, Words
from rnn_models.layers.char_encoder import CharacterEncoder
from rnn_models.training.loop import fit

F = 9


@pytest.fixture
def encoder(spelled_ner):
    torch.manual_seed(5)
    return CharacterEncoder(11, spelled_ner.settings).eval()


def spellings(num=F):
    """Characters of words of 1 to 6, in no order of length."""
    random = np.random.default_rng(0)
    return [random.integers(4, 11, 1 + (5 * i) % 6).tolist() for i in range(num)]


def spelled(rows, indices):
    return Spelled(*Ragged.of(rows).take(np.arange(len(rows))), torch.tensor(indices))


def read_alone(encoder, row):
    """The vector of one word, by its equations or by PyTorch without padding."""
    x = encoder.embedding(torch.tensor(row))
    if hasattr(encoder.read, "ahead"):
        return torch.cat(
            [encoder.read.ahead(x[None])[0][0, -1], encoder.read.back(x.flip(0)[None])[0][0, -1]]
        )
    filters = encoder.read.filters
    around = torch.nn.functional.pad(x, (0, 0, 1, 1))
    weights = filters.weight.unflatten(1, (3, -1))  # (filters, 3, E)
    found = [
        sum(weights[:, w] @ around[i + w] for w in range(3)) + filters.bias for i in range(len(row))
    ]
    return torch.stack(found).amax(0)


def test_token_has_the_vector_of_its_word_read_alone(encoder):
    rows = spellings()
    indices = [[4, 4, 8, 0], [1, 2, 3, 7]]
    found = encoder(spelled(rows, indices))
    assert found.shape == (2, 4, 8)
    expected = torch.stack(
        [torch.stack([read_alone(encoder, rows[i]) for i in line]) for line in indices]
    )
    torch.testing.assert_close(found, expected)


def test_padding_has_a_zero_vector(encoder):
    found = encoder(spelled(spellings(), [[0, F], [F, 3]]))
    assert not found[[0, 1], [1, 0]].any()
    assert found[[0, 1], [0, 1]].all(dim=1).all()


def test_padding_does_not_change_emissions_with_a_character_encoder(spelled_ner):
    model = spelled_ner.model()
    lone = [row for i in range(8) for row in spelled_ner.real_logits(model, spelled_ner.batch([i]))]
    torch.testing.assert_close(
        spelled_ner.real_logits(model, spelled_ner.batch()), lone, rtol=1e-5, atol=1e-5
    )


def test_padding_changes_neither_loss_nor_gradient_with_a_character_encoder(spelled_ner):
    found = []
    for batches in ([spelled_ner.batch()], [spelled_ner.batch([i]) for i in range(8)]):
        model = spelled_ner.model()
        nats = sum(spelled_ner.problem.loss(model, batch)[0] for batch in batches)
        nats.backward()
        found.append((nats.detach(), [p.grad for p in model.parameters()]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_two_unknown_words_differ_by_their_characters(spelled_ner):
    model = spelled_ner.model()
    unknown = Ragged.of([[1], [1]])
    words = Words(Ragged.of([[0], [1]]), Ragged.of([[4, 5], [6]]))
    batch = Examples(unknown, unknown, words).batch(np.arange(2))
    emissions = model(batch.source, batch.source_lengths, batch.spelled)
    assert not torch.allclose(emissions[0], emissions[1])


def test_tagger_learns_from_characters_of_unknown_words(spelled_ner):
    """All words are unknown; the first character alone decides the tag."""
    random = np.random.default_rng(0)
    forms = [random.integers(0, 40, 5).tolist() for _ in range(30)]
    letters = [[4 + word % 3, *random.integers(7, 11, word % 4).tolist()] for word in range(40)]
    tags = Ragged.of([[(0, 1, 3)[word % 3] for word in row] for row in forms])
    source = Ragged.of([[1] * 5] * 30)
    examples = Examples(source, tags, Words(Ragged.of(forms), Ragged.of(letters)))
    settings = replace(
        spelled_ner.settings, max_epochs=12, patience=12, dropout=0.0, token_dropout=0.0
    )
    history = fit(spelled_ner.problem, examples, examples, spelled_ner.sizes, settings)
    assert history.epochs[-1].validation_loss < 0.1 < 0.9 < history.epochs[0].train_loss


def test_tagger_without_spellings_has_no_character_encoder(spelled_ner, ner):
    spelled_fit = fit(ner.problem, ner.examples, ner.examples, ner.sizes, spelled_ner.settings)
    plain = fit(
        ner.problem,
        ner.examples,
        ner.examples,
        ner.sizes,
        replace(spelled_ner.settings, char_encoder="none"),
    )
    assert [step.loss for step in spelled_fit.steps] == [step.loss for step in plain.steps]
    assert spelled_fit.weights.keys() == plain.weights.keys()


def test_tagger_reads_characters_by_default(spelled_ner):
    model = spelled_ner.problem.build(spelled_ner.sizes, spelled_ner.problem.defaults)
    assert model.characters is not None


def test_batch_without_spellings_raises(spelled_ner):
    model = spelled_ner.model()
    batch = replace(spelled_ner.batch(), spelled=None)
    with pytest.raises(ValueError, match="this model reads characters"):
        spelled_ner.problem.predict(model, batch)
