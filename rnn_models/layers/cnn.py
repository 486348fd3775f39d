"""A convolutional encoder in place of a recurrent one: it computes all time steps in parallel.

B sequences, T time steps, E embedding, H hidden, D directions.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import length_mask
from rnn_models.layers.embedding import LockedDropout
from rnn_models.settings import TrainSettings

WIDTHS = (3, 4, 5)


def shares(total: int, num: int) -> list[int]:
    """Split a number into ``num`` near-equal whole numbers, the larger ones first."""
    return [total // num + (i < total % num) for i in range(num)]


class Convolutional(nn.Module):
    """Convolutions of three widths; each layer above doubles the receptive field.

    One layer with max pooling is Kim's network for a label. More layers, of
    width 3 with doubling dilation, let a tag depend on distant tokens of both
    sides, or of the left side only where settings choose one direction. The
    output is as wide as that of a recurrent encoder with the same settings.
    Padding counts as zeros.

    Origin:
        Kim (2014), the widths, ReLU and max over time, here with windows that
        extend over the edges; Strubell et al. (2017), dilation for tags.
    """

    def __init__(self, input_size: int, settings: TrainSettings) -> None:
        super().__init__()
        self.output_size = (1 + settings.bidirectional) * settings.hidden_size
        self.is_causal = not settings.bidirectional
        numbers = zip(WIDTHS, shares(self.output_size, len(WIDTHS)), strict=True)
        self.first = nn.ModuleList(
            nn.Conv1d(input_size, num, width) for width, num in numbers if num
        )
        # Doubled at each layer: the receptive field grows exponentially with the depth.
        dilations = [2**layer for layer in range(1, settings.num_layers)]
        self.above = nn.ModuleList(
            nn.Conv1d(self.output_size, self.output_size, 3, dilation=d) for d in dilations
        )
        num_norms = settings.num_layers
        self.norms = nn.ModuleList(
            nn.LayerNorm(self.output_size) if settings.layer_norm else nn.Identity()
            for _ in range(num_norms)
        )
        self.is_residual = settings.residual
        self.dropout = LockedDropout(settings.dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Args:
            x: (B, T, E).
            lengths: (B,), at least 1 each.

        Returns:
            States (B, T, D * H), zeros at padding, and their maximum over time, (B, D * H).
        """
        real = length_mask(lengths, x.shape[1])[:, :, None]
        # Padding as zeros, so that a text has the same states in every batch.
        states = torch.cat([self._convolve(conv, x * real) for conv in self.first], dim=2)
        states = self.norms[0](states) * real
        for layer, conv in enumerate(self.above, 1):
            made = self._convolve(conv, self.dropout(states))
            # Bias and norm make padding nonzero, and the next convolution would read it.
            states = self.norms[layer](states + made if self.is_residual else made) * real
        return states, states.masked_fill(~real, float("-inf")).amax(1)

    def _convolve(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Apply a convolution and ReLU, keeping the length: (B, T, E) to (B, T, filters)."""
        assert isinstance(conv, nn.Conv1d)
        # One direction pads on the left only: no step may depend on a later one.
        reach = conv.dilation[0] * (conv.kernel_size[0] - 1)
        left = reach if self.is_causal else reach // 2
        padded = nn.functional.pad(x.mT, (left, reach - left))  # (B, E, T + reach)
        return torch.relu(conv(padded)).mT
