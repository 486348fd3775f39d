"""The likeliest ids of each row of logits, without a sort of all.

R rows, V ids, C candidates of a row, N blocks of ids.
"""

import torch
from torch import Tensor

# Ids of a block, of which the search first compares the maximum alone. By measurement: with 32
# there are many maxima, with 128 many ids in the chosen blocks.
STRETCH = 64


def candidates(logits: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Find the ``num`` likeliest ids of each row, or all where there are fewer.

    Args:
        logits: (R, V), overwritten.
        num: C.

    Returns:
        Log probabilities and ids, (R, C), the likeliest first.
    """
    best, ids = highest(logits, num)
    top = best[:, :1]
    # At least 1, so that no log probability is above 0 by rounding.
    total = logits.sub_(top).exp_().sum(1, keepdim=True)
    return (best - top).sub_(total.log_()), ids


def highest(logits: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Find the ``num`` highest logits of each row and their ids, (R, C), the highest first.

    They lie in the ``num`` blocks with the highest maxima, or behind the last
    whole block.
    """
    num_ids = logits.shape[1]
    num_stretches = num_ids // STRETCH
    if num_stretches <= num:
        return logits.topk(min(num, num_ids), dim=1)
    # (R, N, STRETCH)
    stretches = logits[:, : num_stretches * STRETCH].view(-1, num_stretches, STRETCH)
    chosen = stretches.amax(2).topk(num, dim=1).indices
    inside = stretches.gather(1, chosen[:, :, None].expand(-1, -1, STRETCH)).flatten(1)
    values, positions = torch.cat([inside, logits[:, num_stretches * STRETCH :]], dim=1).topk(
        num, dim=1
    )
    is_inside = positions < inside.shape[1]
    stretch = chosen.gather(1, (positions // STRETCH).clamp(max=num - 1))
    beyond = num_stretches * STRETCH - inside.shape[1]
    return values, torch.where(
        is_inside, STRETCH * stretch + positions % STRETCH, positions + beyond
    )
