"""A convolutional encoder in place of a recurrent one: it reads a few tokens at a time, all at once.

B sequences, T time steps, E embedding, H hidden, D directions.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import length_mask
from rnn_models.layers.embedding import LockedDropout
from rnn_models.settings import TrainSettings

WIDTHS = (3, 4, 5)


def shares(total: int, num: int) -> list[int]:
    """Deal out a number as evenly as whole numbers allow, the larger shares first."""
    return [total // num + (i < total % num) for i in range(num)]


class Convolutional(nn.Module):
    """Convolutions of three widths side by side; each layer above sees twice as far.

    One layer with max pooling is Kim's network for a label. More layers, of
    width 3 with doubling dilation, let a tag see far to both sides, or only
    back where one direction is asked for. What is given is as wide as that of
    a recurrent encoder of the same settings. Padding reads as zeros.

    Origin:
        Kim (2014), the widths, ReLU and max over time, here also of widths that
        reach over the edges; Strubell et al. (2017), dilation for tags.
    """

    def __init__(self, input_size: int, settings: TrainSettings) -> None:
        super().__init__()
        self.output_size = (1 + settings.bidirectional) * settings.hidden_size
        self.is_causal = not settings.bidirectional
        numbers = zip(WIDTHS, shares(self.output_size, len(WIDTHS)), strict=True)
        self.first = nn.ModuleList(
            nn.Conv1d(input_size, num, width) for width, num in numbers if num
        )
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
            States (B, T, D * H), zeros at padding, and their largest over time, (B, D * H).
        """
        real = length_mask(lengths, x.shape[1])[:, :, None]
        states = torch.cat([self._convolve(conv, x * real) for conv in self.first], dim=2)
        states = self.norms[0](states) * real
        for layer, conv in enumerate(self.above, 1):
            made = self._convolve(conv, self.dropout(states))
            states = self.norms[layer](states + made if self.is_residual else made) * real
        return states, states.masked_fill(~real, float("-inf")).amax(1)

    def _convolve(self, conv: nn.Module, x: Tensor) -> Tensor:
        """ReLU of a convolution with as many steps out as in: (B, T, E) to (B, T, filters)."""
        assert isinstance(conv, nn.Conv1d)
        reach = conv.dilation[0] * (conv.kernel_size[0] - 1)
        left = reach if self.is_causal else reach // 2
        padded = nn.functional.pad(x.mT, (left, reach - left))  # (B, E, T + reach)
        return torch.relu(conv(padded)).mT
