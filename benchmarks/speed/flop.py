"""Floating-point operations of a training, counted from the matrix products in the papers.

A product of (m, k) by (k, n) is 2 * m * k * n operations. Its gradient is two
more products of that size, so a training step is three times what is read
forward. Counted are real tokens: what is computed of padding, and what a
cleverer order of the products saves, is the implementation's own affair. Not
counted is what is no product: gates, softmax, dropout, the update.
"""

from dataclasses import dataclass

BACKWARD_TOO = 3


@dataclass(frozen=True)
class Translated:
    """Sizes of batches: sentences, source tokens, target tokens with ends, pairs of both."""

    sentences: int
    source: int
    target: int
    pairs: int


@dataclass(frozen=True)
class Widths:
    """Widths of a translation model: embeddings, encoder direction, decoder states, target ids."""

    embedding: int
    encoder: int
    decoder: int
    ids: int


def lstm(inputs: int, hidden: int) -> int:
    """Count the operations of a forward step of an LSTM: four gates of input and hidden state."""
    return 2 * 4 * hidden * (inputs + hidden)


def training_flop(done: Translated, widths: Widths) -> int:
    """Operations of training on some batches.

    Per source token both directions of the encoder and, once, the matrix of
    the score "general"; per target token the decoder with input feeding, the
    attentional state of context and query, the projection to all ids; per pair
    one score and one weighted sum; per sentence the bridge.
    """
    e = widths.embedding
    d = widths.decoder
    both = 2 * widths.encoder
    per_source = 2 * lstm(e, widths.encoder) + 2 * both * d
    per_target = lstm(e + d, d) + 2 * (both + d) * d + 2 * d * widths.ids
    per_pair = 2 * d + 2 * both
    forward = (
        done.source * per_source
        + done.target * per_target
        + done.pairs * per_pair
        + done.sentences * 2 * both * d
    )
    return BACKWARD_TOO * forward


def model_bytes(num_parameters: int, copies: int) -> int:
    """Bytes of some copies of all weights in float32."""
    return 4 * num_parameters * copies
