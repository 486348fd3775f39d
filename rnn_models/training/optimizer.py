"""From gradients to new weights: optimizers, learning rate schedules, averages of weights."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rnn_models.checkpoints.checkpoint import load_weights, weights_of
from rnn_models.settings import TrainSettings


def make_optimizer(
    parameters: list[nn.Parameter], settings: TrainSettings
) -> torch.optim.Optimizer:
    """Make the optimizer that settings choose.

    Origin:
        Loshchilov and Hutter (2019), AdamW; Kingma and Ba (2015), Adam, whose
        decay of weights goes through the gradient; Sutskever et al. (2013),
        SGD with momentum, Nesterov's included.
    """
    s = settings
    if s.optimizer == "sgd":
        # Fused: one kernel for all parameters, where the default calls several for each.
        made = torch.optim.SGD(
            parameters,
            lr=s.learning_rate,
            momentum=s.momentum,
            nesterov=s.nesterov and s.momentum > 0,
            weight_decay=s.weight_decay,
            fused=True,
        )
        # The fused kernel needs a buffer of all parameters or of none, but a window in which no
        # text begins has no gradient for the label embedding.
        if s.momentum:
            for p in parameters:
                made.state[p]["momentum_buffer"] = torch.zeros_like(p)
        return made
    # AdamW subtracts the decay from the weights. In Adam it is a part of the gradient, so Adam
    # divides it by the size of past gradients, and often updated weights decay least.
    kind = torch.optim.AdamW if s.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=s.learning_rate, weight_decay=s.weight_decay, fused=True)


def learning_rate(step: int, num_steps: int, num_stalls: int, settings: TrainSettings) -> float:
    """Compute the learning rate of a step, counted from 0.

    A linear warm-up, then ``constant``, half a ``cosine`` down to 1 % at the
    last step, ``inverse_square_root`` of the steps, or ``plateau``: halved for
    each epoch without improvement.

    Origin:
        Loshchilov and Hutter (2017), cosine; Vaswani et al. (2017), section
        5.3, inverse square root.
    """
    # The first gradients come from random weights and are large; small steps let Adam's averages
    # settle first.
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    share = 1.0
    if settings.schedule == "cosine":
        done = max(0, step - settings.warmup_steps) / max(1, num_steps - settings.warmup_steps)
        # Down to 1 % and not to 0: the last steps still learn.
        share = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    elif settings.schedule == "inverse_square_root":
        share = math.sqrt((settings.warmup_steps + 1) / (max(step, settings.warmup_steps) + 1))
    elif settings.schedule == "plateau":
        share = 0.5**num_stalls
    return settings.learning_rate * warmup * share


class UpdateMeter:
    """Measures how far an update moves the weights.

    A ratio near 1e-3 is common; one much larger undoes what was learnt, one
    much smaller learns little.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        # Allocated once: fresh memory pages would cost more than the arithmetic in them.
        self.before: list[Tensor] = []

    @property
    def weights(self) -> list[Tensor]:
        """The current weights, outside the graph of autograd."""
        return [p.detach() for p in self.parameters]

    def start(self) -> None:
        """Copy the weights before the next update."""
        self.before = self.before or [torch.empty_like(w) for w in self.weights]
        for before, weight in zip(self.before, self.weights, strict=True):
            before.copy_(weight)

    def ratio(self) -> float:
        """Divide the norm of the update since ``start`` by the norm of the weights before it."""
        norm = nn.utils.get_total_norm(self.before)
        for before, weight in zip(self.before, self.weights, strict=True):
            before.sub_(weight)  # in place: the copy becomes the update
        return float(nn.utils.get_total_norm(self.before) / norm)


class Averaging:
    """The weights that are validated and kept: the last ones, or an average of late ones.

    Late in a training the weights oscillate around a minimum; their mean lies
    nearer to it. ``average_epochs`` takes the mean of the weights of the last
    epochs, ``average_steps`` an exponential moving average over about as many
    steps.

    Origin:
        Polyak and Juditsky (1992); of checkpoints, Junczys-Dowmunt et al. (2016).
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        self.model = model
        self.steps = settings.average_steps
        self.epochs: deque[dict[str, Tensor]] = deque(maxlen=settings.average_epochs)
        self.running: dict[str, Tensor] = {}

    @property
    def is_on(self) -> bool:
        """Whether an average replaces the last weights."""
        return self.steps > 0 or self.epochs.maxlen != 1

    def add_step(self, number: int) -> None:
        """Add the weights after a step, counted from 0."""
        if not self.steps:
            return
        own = {name: p.detach() for name, p in self.model.named_parameters()}
        if not self.running:
            self.running = {name: p.clone() for name, p in own.items()}
        # A plain mean of the first steps, so that the random start does not count for long.
        weight = max(1 / self.steps, 1 / (number + 1))
        for name, parameter in own.items():
            self.running[name].lerp_(parameter, weight)

    def add_epoch(self) -> None:
        """Add the weights after an epoch."""
        if not self.steps and self.is_on:
            self.epochs.append(weights_of(self.model))

    def weights(self) -> dict[str, Tensor]:
        """Copy the weights that are validated and kept."""
        if self.steps:
            return {name: w.detach().cpu().clone() for name, w in self.running.items()}
        if not self.is_on:
            return weights_of(self.model)
        return {
            name: torch.stack([w[name] for w in self.epochs]).mean(0) for name in self.epochs[-1]
        }

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the model within a ``with`` block."""
        if not self.is_on:
            yield
            return
        # A copy of the weights and not a second model: the training continues with them after the
        # block.
        own = weights_of(self.model)
        load_weights(self.model, self.weights())
        try:
            yield
        finally:
            load_weights(self.model, own)

    def tensors(self) -> dict[str, Tensor]:
        """Name all tensors that a resumed training needs."""
        found = {f"running.{name}": w.detach().cpu() for name, w in self.running.items()}
        for index, weights in enumerate(self.epochs):
            found |= {f"{index}.{name}": w for name, w in weights.items()}
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore the tensors that ``tensors`` named."""
        # Saved tensors are on the CPU; the average is updated beside its parameter.
        devices = {name: p.device for name, p in self.model.named_parameters()}
        epochs: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, name = key.split(".", 1)
            if index == "running":
                self.running[name] = tensor.to(devices[name])
            else:
                epochs.setdefault(int(index), {})[name] = tensor
        self.epochs.extend(epochs[i] for i in sorted(epochs))
