"""How a gradient fares on its way back through time.

B sequences, T time steps, H hidden.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import Batch
from rnn_models.batching.windows import Window
from rnn_models.layers.recurrent import Recurrent
from rnn_models.problem import Problem


def gradient_decay(
    problem: Problem, model: nn.Module, batch: Batch | Window
) -> dict[str, list[float]]:
    """Measure how strongly the loss of one batch depends on the hidden states of its encoder, exactly.

    The gradient of a hidden state counts all ways from it to the loss, through
    its own step and through all that are read after it. Where it falls with
    the distance, it vanishes; where it grows, it explodes.

    Args:
        problem: What is learnt.
        model: Read without dropout; neither its weights nor their gradients change.
        batch: Some examples, or one window.

    Returns:
        For each layer and direction of the encoder, such as ``layer 1 forward``,
        the mean norm over the sequences at 0, 1, .. T - 1 steps from what it
        reads last; nothing for a model without a recurrent encoder.
    """
    encoder = next((module for module in model.modules() if isinstance(module, Recurrent)), None)
    if encoder is None:
        return {}
    was_training, encoder.followed = model.training, []
    model.eval()
    for module in model.modules():
        if isinstance(
            module, nn.RNNBase
        ):  # has no dropout of its own, and cuDNN gives no gradient outside of training
            module.train()
    try:
        if isinstance(batch, Window):
            assert problem.windows
            nats = problem.windows.loss(model, batch, ())[0].nats
            lengths = batch.lengths
        else:
            nats = problem.loss(model, batch).nats
            lengths = (
                batch.target_lengths + 1 if problem.output.is_continuation else batch.source_lengths
            )  # what the encoder reads
        followed = encoder.followed
        gradients = torch.autograd.grad(
            nats, [state for steps in followed for state in steps], allow_unused=True
        )
    finally:
        encoder.followed = None
        model.train(was_training)
    directions = ("forward", "backward") if encoder.backwards else ("forward",)
    names = [
        f"layer {layer + 1} {way}" for layer in range(len(encoder.forwards)) for way in directions
    ]
    num = len(followed[0])
    norms = [norms_of(gradients[i * num : (i + 1) * num], followed[i]) for i in range(len(names))]
    return {
        name: mean_by_distance(found, lengths) for name, found in zip(names, norms, strict=True)
    }


def norms_of(gradients: tuple[Tensor | None, ...], states: list[Tensor]) -> Tensor:
    """Norm of each step's gradient, (B, T); one that the loss does not hang on has none."""
    found = [
        torch.zeros_like(s) if g is None else g for g, s in zip(gradients, states, strict=True)
    ]
    norms: Tensor = torch.linalg.vector_norm(torch.stack(found, dim=1), dim=2)
    return norms


def mean_by_distance(norms: Tensor, lengths: Tensor) -> list[float]:
    """Mean of ``norms`` (B, T) at each number of steps before the end of its sequence, over those that are so long."""
    found = []
    for distance in range(int(lengths.max())):
        rows = (lengths > distance).nonzero().squeeze(1)
        found.append(float(norms[rows, lengths[rows] - 1 - distance].mean()))
    return found
