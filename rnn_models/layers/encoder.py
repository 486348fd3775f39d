"""The encoder that settings ask for: each gives a state for each token and one for the whole."""

from torch import nn

from rnn_models.layers.cnn import Convolutional
from rnn_models.layers.recurrent import Recurrent
from rnn_models.settings import TrainSettings

Encoder = Recurrent | Convolutional


def make_encoder(input_size: int, settings: TrainSettings) -> Encoder:
    """Make the encoder of some settings for inputs of a width."""
    return (
        Convolutional(input_size, settings)
        if settings.encoder == "cnn"
        else Recurrent(input_size, settings)
    )


def has_recurrence(model: nn.Module) -> bool:
    """Whether any part of a model, its encoder or another, reads step by step."""
    return any(isinstance(module, nn.RNNBase) for module in model.modules())
