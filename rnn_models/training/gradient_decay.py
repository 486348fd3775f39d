"""Vanishing and exploding gradients, measured: how a gradient changes on its way back in time.

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
    """Measure the gradient of one batch's loss by each hidden state of the encoder.

    The gradient of a hidden state sums all paths from it to the loss, through
    its own step and through all later steps. Each step back multiplies it by
    the recurrence's Jacobian: where these shrink it, it vanishes with the
    distance, and the network cannot learn what lies far back; where they
    stretch it, it explodes.

    Args:
        problem: The kind of learning.
        model: Runs without dropout; neither its weights nor their gradients change.
        batch: Some examples, or one window.

    Returns:
        For each layer and direction of the encoder, such as ``layer 1 forward``,
        the mean norm over the sequences at a distance of 0, 1, .. T - 1 steps
        from the last step; empty for a model without a recurrent encoder.

    Origin:
        Bengio, Simard and Frasconi (1994); Pascanu, Mikolov and Bengio (2013),
        section 2, the product of Jacobians.
    """
    encoder = next((module for module in model.modules() if isinstance(module, Recurrent)), None)
    if encoder is None:
        return {}
    was_training = model.training
    # While it is a list, the encoder reads step by step and keeps each hidden state as a tensor of
    # its own.
    encoder.followed = []
    model.eval()
    for module in model.modules():
        # cuDNN computes no gradients of a layer in evaluation mode. Training mode changes nothing
        # else: these layers have no dropout inside.
        if isinstance(module, nn.RNNBase):
            module.train()
    try:
        if isinstance(batch, Window):
            assert problem.windows
            nats = problem.windows.loss(model, batch, ())[0].nats
            lengths = batch.lengths
        else:
            nats = problem.loss(model, batch).nats
            # A language model reads the target and its start, all others the source.
            is_continuation = problem.output.is_continuation
            lengths = batch.target_lengths + 1 if is_continuation else batch.source_lengths
        followed = encoder.followed
        # grad() and not backward(): the gradients of the weights stay as they are.
        # allow_unused: with pooling "last" no loss depends on states at padding.
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
    """Compute the norm of each step's gradient, (B, T); 0 where the loss is independent of it."""
    found = [
        torch.zeros_like(s) if g is None else g for g, s in zip(gradients, states, strict=True)
    ]
    norms: Tensor = torch.linalg.vector_norm(torch.stack(found, dim=1), dim=2)
    return norms


def mean_by_distance(norms: Tensor, lengths: Tensor) -> list[float]:
    """Average ``norms`` (B, T) by the distance from the end of each sequence.

    Only sequences that are long enough count at a distance.
    """
    found = []
    for distance in range(int(lengths.max())):
        rows = (lengths > distance).nonzero().squeeze(1)
        found.append(float(norms[rows, lengths[rows] - 1 - distance].mean()))
    return found
