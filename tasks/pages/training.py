"""Figures and descriptions of a training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rnn_models.problem import Problem
from rnn_models.settings import TrainSettings
from rnn_models.training.history import TrainingHistory
from rnn_models.training.validation import headline_of
from tasks.pages.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def clipping_words(settings: TrainSettings) -> str:
    """Describe how gradients are clipped."""
    return {
        "norm": f"norm {settings.clip_norm:g}",
        "value": f"value {settings.clip_value:g}",
        "adaptive": f"percentile {settings.clip_percentile:g} of the norms so far",
        "none": "nothing",
    }[settings.clipping]


def training_figure(history: TrainingHistory, settings: TrainSettings, problem: Problem) -> Figure:
    """Draw loss, validation score and gradient norm by step, with clip norm and best epoch."""
    figure = new_figure(9, 6)
    loss, norm = figure.subplots(2, sharex=True)
    steps = [step.step for step in history.steps]
    loss.plot(
        steps,
        [step.loss for step in history.steps],
        linewidth=0.5,
        color="tab:blue",
        label="train, per step",
    )
    ends = [epoch.last_step for epoch in history.epochs]
    loss.plot(
        ends,
        [epoch.validation_loss for epoch in history.epochs],
        "o-",
        color="tab:orange",
        label="validation",
    )
    loss.axvline(
        history.best.last_step,
        color="grey",
        linestyle=":",
        label=f"best epoch, {history.best.epoch}",
    )
    loss.plot([], [], "s--", color="tab:purple", label=f"validation, {headline_of(problem).title}")
    loss.set_ylabel("loss, nats, without label smoothing")
    loss.legend()
    norm.plot(
        steps, [step.gradient_norm for step in history.steps], linewidth=0.5, color="tab:green"
    )
    clipped = sum(step.is_clipped for step in history.steps) / len(history.steps)
    allowed = [
        step.allowed_norm if math.isfinite(step.allowed_norm) else math.nan
        for step in history.steps
    ]
    norm.plot(
        steps,
        allowed,
        color="tab:red",
        label=f"clipped by {clipping_words(settings)}: {clipped:.0%} of steps",
    )
    norm.set(yscale="log", xlabel="step", ylabel="gradient norm before clipping")
    norm.legend()
    score = loss.twinx()
    score.plot(
        ends, [epoch.validation_score for epoch in history.epochs], "s--", color="tab:purple"
    )
    score.set_ylabel(headline_of(problem).title)
    return figure
