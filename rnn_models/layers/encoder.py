"""The encoder that settings choose: it makes a state of each token and one of the whole text."""

from torch import nn

from rnn_models.layers.cnn import Convolutional
from rnn_models.layers.recurrent import Recurrent
from rnn_models.settings import TrainSettings

Encoder = Recurrent | Convolutional


def make_encoder(input_size: int, settings: TrainSettings) -> Encoder:
    """Make the encoder that settings choose."""
    return (
        Convolutional(input_size, settings)
        if settings.encoder == "cnn"
        else Recurrent(input_size, settings)
    )


def has_recurrence(model: nn.Module) -> bool:
    """Whether any part of a model is recurrent."""
    return any(isinstance(module, nn.RNNBase) for module in model.modules())
