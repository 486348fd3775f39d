"""The encoder that settings ask for: each gives a state for each token and one for the whole."""

from rnn_models.convolutional import Convolutional
from rnn_models.layers import Embedding, LockedDropout
from rnn_models.recurrent import CELLS, Recurrent, gather_steps, recurrence, reversal
from rnn_models.settings import TrainSettings

__all__ = [
    "CELLS", "BiRecurrent", "Convolutional", "Embedding", "Encoder", "LockedDropout", "Recurrent", "gather_steps",
    "make_encoder", "recurrence", "reversal",
]  # fmt: skip
Encoder = Recurrent | Convolutional


def make_encoder(input_size: int, settings: TrainSettings) -> Encoder:
    """Make the encoder of some settings for inputs of a width."""
    return Convolutional(input_size, settings) if settings.encoder == "cnn" else Recurrent(input_size, settings)


BiRecurrent = make_encoder
