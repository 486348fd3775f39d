"""The likeliest ids of each row of logits, without the probabilities of all others.

R rows, V ids, C candidates of a row, N stretches of ids.
"""

import torch
from torch import Tensor

# Ids of which first only the highest logit is looked at. By measurement: with 32 there are many
# maxima to choose from, with 128 many ids in the stretches that are chosen.
STRETCH = 64


def candidates(logits: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """The ``num`` likeliest ids of each row, all of them where there are fewer.

    Args:
        logits: (R, V), which are overwritten.
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
    """The ``num`` highest logits of each row and their ids, (R, C), the highest first.

    As many lie in the ``num`` stretches whose highest are highest, and in what
    is left of the row beyond its last stretch.
    """
    num_ids = logits.shape[1]
    num_stretches = num_ids // STRETCH
    if num_stretches <= num:
        return logits.topk(min(num, num_ids), dim=1)
    stretches = logits[:, : num_stretches * STRETCH].view(
        -1, num_stretches, STRETCH
    )  # (R, N, STRETCH)
    chosen = stretches.amax(2).topk(num, dim=1).indices
    inside = stretches.gather(1, chosen[:, :, None].expand(-1, -1, STRETCH)).flatten(1)
    values, places = torch.cat([inside, logits[:, num_stretches * STRETCH :]], dim=1).topk(
        num, dim=1
    )
    is_inside = places < inside.shape[1]
    stretch = chosen.gather(1, (places // STRETCH).clamp(max=num - 1))
    beyond = num_stretches * STRETCH - inside.shape[1]
    return values, torch.where(is_inside, STRETCH * stretch + places % STRETCH, places + beyond)
