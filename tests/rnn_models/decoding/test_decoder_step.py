"""A decoder step within a search, against the decoder in training."""

import pytest
import torch

from rnn_models.batching.batch import BOS_ID, PAD_ID
from rnn_models.decoding.beam_search import Rows
from rnn_models.decoding.decoder_step import ALIGNED, decoder_step
from tests.rnn_models.problems.test_translation import DECODERS

WIDTH = 3


def stepping(model, never_said=()):
    return decoder_step(
        model.target_embedding,
        model.decoder,
        model.attention,
        model.projection,
        never_said=never_said,
        width=WIDTH,
    )


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@DECODERS
def test_decoder_steps_of_some_beams_equal_training(translation, kind, activation):
    """Beams grow from one state, other numbers in each sequence; then each from its own."""
    model = translation.model(**kind, activation=activation).eval()
    batch = translation.batch()
    memory, start = model.encode(batch.source, batch.source_lengths)
    is_live = torch.rand(len(batch), WIDTH, generator=torch.Generator().manual_seed(1)) < 0.6
    beams = is_live.flatten().nonzero().flatten()
    sequences = beams // WIDTH
    read = torch.randint(
        4, translation.sizes.target, (len(beams), 4), generator=torch.Generator().manual_seed(2)
    )
    expected, _, after = model.decode(
        read, memory.rows(sequences), tuple(part[sequences] for part in start)
    )
    step = stepping(model)
    state = start
    origin = sequences
    for t in range(read.shape[1]):
        logits, state = step(Rows(read[:, t], beams, origin), memory, state)
        origin = torch.arange(len(beams))
        wanted = model.project(expected[:, t])
        torch.testing.assert_close(logits[:, : wanted.shape[1]], wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, after, rtol=1e-5, atol=1e-5)


def test_barred_ids_and_alignment_columns_have_zero_probability(translation):
    model = translation.model().eval()
    batch = translation.batch()
    memory, state = model.encode(batch.source, batch.source_lengths)
    beams = WIDTH * torch.arange(len(batch))
    rows = Rows(torch.full_like(beams, BOS_ID), beams, torch.arange(len(batch)))
    logits, _ = stepping(model, [PAD_ID, BOS_ID])(rows, memory, state)
    is_barred = torch.ones(ALIGNED, dtype=torch.bool)
    is_barred[: translation.sizes.target] = False
    is_barred[[PAD_ID, BOS_ID]] = True
    assert torch.equal(logits.isneginf(), is_barred.expand(len(batch), -1))
