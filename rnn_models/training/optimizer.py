"""From gradients to new weights: optimisers, the learning rate of a step, averages of weights."""

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
    """Make the optimiser of some settings.

    Origin:
        Loshchilov and Hutter (2019), AdamW; Kingma and Ba (2015), Adam, whose
        decay of weights goes through the gradient; Sutskever et al. (2013),
        SGD with momentum, Nesterov's included.
    """
    s = settings
    if s.optimizer == "sgd":
        made = torch.optim.SGD(
            parameters,
            lr=s.learning_rate,
            momentum=s.momentum,
            nesterov=s.nesterov and s.momentum > 0,
            weight_decay=s.weight_decay,
            fused=True,
        )
        # the fused kernel wants all or none, but a window without a start has no gradient for
        # labels
        if s.momentum:
            for p in parameters:
                made.state[p]["momentum_buffer"] = torch.zeros_like(p)
        return made
    kind = torch.optim.AdamW if s.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=s.learning_rate, weight_decay=s.weight_decay, fused=True)


def learning_rate(step: int, num_steps: int, num_stalls: int, settings: TrainSettings) -> float:
    """Learning rate of a step, counted from 0.

    A linear warm-up, then ``constant``, half a ``cosine`` down to 1 % at the
    last step, ``inverse_square_root`` of the steps, or ``plateau``: halved for
    each epoch that made nothing better.

    Origin:
        Loshchilov and Hutter (2017), cosine; Vaswani et al. (2017), section
        5.3, inverse square root.
    """
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    share = 1.0
    if settings.schedule == "cosine":
        done = max(0, step - settings.warmup_steps) / max(1, num_steps - settings.warmup_steps)
        share = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    elif settings.schedule == "inverse_square_root":
        share = math.sqrt((settings.warmup_steps + 1) / (max(step, settings.warmup_steps) + 1))
    elif settings.schedule == "plateau":
        share = 0.5**num_stalls
    return settings.learning_rate * warmup * share


class UpdateMeter:
    """How far an update moves the weights.

    The weights before it are copied into memory that is kept, and the change
    is taken where they lie: new pages would cost more than what is done in them.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.before: list[Tensor] = []

    @property
    def weights(self) -> list[Tensor]:
        """The weights as they are, without their gradients."""
        return [p.detach() for p in self.parameters]

    def start(self) -> None:
        """Keep the weights that the next update changes."""
        self.before = self.before or [torch.empty_like(w) for w in self.weights]
        torch._foreach_copy_(self.before, self.weights)

    def ratio(self) -> float:
        """Norm of what was changed since the start, divided by the norm of the weights then."""
        norm = nn.utils.get_total_norm(self.before)
        torch._foreach_sub_(self.before, self.weights)
        return float(nn.utils.get_total_norm(self.before) / norm)


class Averaging:
    """The weights that are validated and kept: the last ones, or an average of late ones.

    Late in a training weights swing around a good place; their mean lies
    nearer to it. ``average_epochs`` takes the mean of the last few epochs'
    weights; ``average_steps`` a running mean that forgets over about so many
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
        """Whether anything but the last weights is kept."""
        return self.steps > 0 or self.epochs.maxlen != 1

    def add_step(self, number: int) -> None:
        """Take in the weights after a step, counted from 0; the first steps are weighed alike."""
        if not self.steps:
            return
        own = {name: p.detach() for name, p in self.model.named_parameters()}
        if not self.running:
            self.running = {name: p.clone() for name, p in own.items()}
        weight = max(1 / self.steps, 1 / (number + 1))
        torch._foreach_lerp_([self.running[name] for name in own], list(own.values()), weight)

    def add_epoch(self) -> None:
        """Take in the weights after an epoch."""
        if not self.steps and self.is_on:
            self.epochs.append(weights_of(self.model))

    def weights(self) -> dict[str, Tensor]:
        """Copy the weights to validate and to keep."""
        if self.steps:
            return {name: w.detach().cpu().clone() for name, w in self.running.items()}
        if not self.is_on:
            return weights_of(self.model)
        return {
            name: torch.stack([w[name] for w in self.epochs]).mean(0) for name in self.epochs[-1]
        }

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the model for a while."""
        if not self.is_on:
            yield
            return
        own = weights_of(self.model)
        load_weights(self.model, self.weights())
        try:
            yield
        finally:
            load_weights(self.model, own)

    def tensors(self) -> dict[str, Tensor]:
        """All that there is to save, by name."""
        found = {f"running.{name}": w.detach().cpu() for name, w in self.running.items()}
        for place, weights in enumerate(self.epochs):
            found |= {f"{place}.{name}": w for name, w in weights.items()}
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what was saved."""
        devices = {name: p.device for name, p in self.model.named_parameters()}
        places: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            place, name = key.split(".", 1)
            if place == "running":
                self.running[name] = tensor.to(devices[name])
            else:
                places.setdefault(int(place), {})[name] = tensor
        self.epochs.extend(places[i] for i in sorted(places))
