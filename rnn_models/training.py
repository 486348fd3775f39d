"""The training loop: teacher forcing, clipped BPTT, schedule, early stopping, resume."""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from rnn_models.batch import Batch, Examples, epoch_batches, sorted_batches
from rnn_models.bptt import clip
from rnn_models.checkpoint import load_weights, weights_of
from rnn_models.problem import Output, Problem, Sizes
from rnn_models.progress import Progress
from rnn_models.settings import TrainSettings

log = logging.getLogger(__name__)
MAX_NON_FINITE = 5  # steps in a row after which a training has no future


@dataclass(frozen=True)
class Step:
    """One optimiser update. The loss is in nats per unit; the norm stands before clipping."""

    epoch: int
    step: int
    loss: float
    gradient_norm: float
    is_clipped: bool
    learning_rate: float
    tokens_per_second: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training split; losses in nats per unit."""

    epoch: int
    last_step: int
    train_loss: float
    validation_loss: float
    clipped_share: float
    seconds: float


@dataclass(frozen=True)
class History:
    """What happened in a training, and the weights of its best epoch."""

    steps: list[Step] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss; the first of equals, nan the last of all."""
        return min(self.epochs, key=lambda epoch: (math.isnan(epoch.validation_loss), epoch.validation_loss))

    @property
    def is_best_last(self) -> bool:
        """Whether the last epoch is the best so far."""
        return self.best is self.epochs[-1]


def learning_rate(step: int, num_steps: int, num_stalls: int, settings: TrainSettings) -> float:
    """Learning rate of a step, counted from 0.

    A linear warm-up, then ``constant``, half a ``cosine`` down to 1 % at the
    last step, or ``plateau``: halved for each epoch that made nothing better.
    """
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    share = 1.0
    if settings.schedule == "cosine":
        done = max(0, step - settings.warmup_steps) / max(1, num_steps - settings.warmup_steps)
        share = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    elif settings.schedule == "plateau":
        share = 0.5**num_stalls
    return settings.learning_rate * warmup * share


def stalls(epochs: list[Epoch]) -> tuple[int, int]:
    """Count the epochs without a better validation loss: all of them, and those in a row."""
    best, total, in_a_row = math.inf, 0, 0
    for epoch in epochs:
        is_better = epoch.validation_loss < best
        best = min(best, epoch.validation_loss)
        total, in_a_row = total + (not is_better), 0 if is_better else in_a_row + 1
    return total, in_a_row


def mean_loss(problem: Problem, model: torch.nn.Module, examples: Examples, settings: TrainSettings) -> float:
    """Loss in nats per unit over all examples, without dropout."""
    model.eval()
    nats = units = 0.0
    with torch.inference_mode():
        for indices in sorted_batches(examples, size=256, tokens=settings.batch_tokens):
            total, num = problem.loss(model, examples.batch(indices))
            nats, units = nats + float(total), units + num
    return nats / units


def predict_all(
    problem: Problem, model: torch.nn.Module, examples: Examples, *, size: int = 64, tokens: int = 8192
) -> list[Output]:
    """Outputs of all examples, in their order."""
    model.eval()
    outputs: dict[int, Output] = {}
    with torch.inference_mode():
        for indices in sorted_batches(examples, size=size, tokens=tokens):
            found = problem.predict(model, examples.batch(indices))
            outputs.update(zip(indices.tolist(), found, strict=True))
    return [outputs[i] for i in range(len(examples))]


class Training:
    """A model on its way: weights, optimiser, what happened so far.

    All randomness of a step follows from the seed and the step's number, so a
    training that was killed and goes on from its last epoch ends with the very
    weights of one that was not.
    """

    def __init__(self, problem: Problem, sizes: Sizes, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self.problem, self.settings = problem, settings
        self.model = problem.build(sizes, settings)
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.history = History()
        self.num_non_finite = 0

    def train_batch(self, batch: Batch, *, epoch: int, num_steps: int) -> Step:
        """Make one optimiser update, and say how it went.

        Raises:
            FloatingPointError: If the gradient was not finite several times in a row.
        """
        started, number = time.perf_counter(), len(self.history.steps)
        torch.manual_seed(self.settings.seed * 1_000_003 + number)
        rate = learning_rate(number, num_steps, stalls(self.history.epochs)[0], self.settings)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        nats, units = self.problem.loss(self.model, batch)
        loss = nats / units
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip(self.parameters, self.settings.clip_norm)
        if math.isfinite(norm):
            self.optimizer.step()
        self._count_non_finite(norm, batch, number)
        speed = batch.num_tokens / (time.perf_counter() - started)
        is_clipped = norm > self.settings.clip_norm
        return Step(epoch, number, float(loss.detach()), norm, is_clipped, rate, speed)

    def _count_non_finite(self, norm: float, batch: Batch, number: int) -> None:
        self.num_non_finite = 0 if math.isfinite(norm) else self.num_non_finite + 1
        if self.num_non_finite:
            log.warning("step %d skipped: gradient norm is %s, examples %s", number, norm, batch.indices[:8])
        if self.num_non_finite >= MAX_NON_FINITE:
            raise FloatingPointError(
                f"training stopped at step {number}: the gradient was not finite {MAX_NON_FINITE} times "
                f"in a row. Lower learning_rate (now {self.settings.learning_rate}) or clip_norm "
                f"(now {self.settings.clip_norm}), and look at the examples named above."
            )

    def train_epoch(self, train: Examples, validation: Examples, on_step: Callable[[Step], None]) -> Epoch:
        """Pass once over the training split and measure the loss on the validation split."""
        started, number = time.perf_counter(), len(self.history.epochs) + 1
        s = self.settings
        order = epoch_batches(train, size=s.batch_size, tokens=s.batch_tokens, seed=s.seed, epoch=number)
        progress = Progress(number, s.max_epochs, len(order))
        self.model.train()
        for indices in order:
            step = self.train_batch(train.batch(indices), epoch=number, num_steps=len(order) * s.max_epochs)
            self.history.steps.append(step)
            progress.show(
                loss=step.loss, gradient_norm=step.gradient_norm, is_clipped=step.is_clipped,
                tokens_per_second=step.tokens_per_second,
            )  # fmt: skip
            on_step(step)
        done = self.history.steps[-len(order) :]
        return Epoch(
            epoch=number,
            last_step=done[-1].step,
            train_loss=sum(step.loss for step in done) / len(done),
            validation_loss=mean_loss(self.problem, self.model, validation, s),
            clipped_share=sum(step.is_clipped for step in done) / len(done),
            seconds=time.perf_counter() - started,
        )

    def should_stop(self) -> bool:
        """Whether the epochs are used up or the validation loss got no better for long."""
        epochs = self.history.epochs
        return len(epochs) >= self.settings.max_epochs or stalls(epochs)[1] >= self.settings.patience

    def save(self, path: Path) -> None:
        """Write all that the next epoch needs into one file, at once or not at all."""
        tensors = {f"now.{name}": w for name, w in weights_of(self.model).items()}
        tensors |= {f"best.{name}": w for name, w in self.history.weights.items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{key}": value.clone() for key, value in state.items()}
        lists: dict[str, list[Step] | list[Epoch]] = {"steps": self.history.steps, "epochs": self.history.epochs}
        told = {k: json.dumps([asdict(item) for item in v]) for k, v in lists.items()}
        partial = path.with_suffix(".partial")
        save_file(tensors, partial, metadata=told)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from what ``save`` wrote."""
        state: dict[int, dict[str, Tensor]] = {}
        now: dict[str, Tensor] = {}
        with safe_open(path, framework="pt") as file:
            told = file.metadata()
            for key in file.keys():  # noqa: SIM118, not a dict
                place, name = key.split(".", 1)
                if place == "optimizer":
                    number, name = name.split(".")
                    state.setdefault(int(number), {})[name] = file.get_tensor(key)
                else:
                    (now if place == "now" else self.history.weights)[name] = file.get_tensor(key)
        load_weights(self.model, now)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.history.steps.extend(Step(**item) for item in json.loads(told["steps"]))
        self.history.epochs.extend(Epoch(**item) for item in json.loads(told["epochs"]))


def fit(
    problem: Problem,
    train: Examples,
    validation: Examples,
    sizes: Sizes,
    settings: TrainSettings,
    *,
    resume: Path | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> History:
    """Train a model and keep the weights of its best epoch.

    Args:
        problem: What is learnt.
        train: Examples to learn from, at least one.
        validation: Examples that decide when to stop, at least one.
        sizes: Of the vocabularies.
        settings: Of model and training.
        resume: File to which each epoch is saved; if it is there, the training
            goes on from it.
        on_step: Called after each optimiser update.
        on_epoch: Called after each epoch.
    """
    with torch.random.fork_rng(devices=[]):
        training = Training(problem, sizes, settings)
        if resume and resume.exists():
            training.load(resume)
            log.info("going on after epoch %d", len(training.history.epochs))
        history = training.history
        while not training.should_stop():
            epoch = training.train_epoch(train, validation, on_step)
            history.epochs.append(epoch)
            if history.is_best_last:
                history.weights.clear()
                history.weights.update(weights_of(training.model))
            log.info(
                "epoch %d: train loss %.3f, validation loss %.3f%s, %.0f %% of steps clipped, %.0f s",
                epoch.epoch, epoch.train_loss, epoch.validation_loss, " (best)" if history.is_best_last else "",
                100 * epoch.clipped_share, epoch.seconds,
            )  # fmt: skip
            if resume:
                training.save(resume)
            on_epoch(epoch)
    return history
