"""What the gradients of a training say: how much its loss swings, whether they explode or vanish, where to clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from statistics import mean, median
from typing import Literal

import numpy as np

from rnn_models.diagnostics.probe import Probe
from rnn_models.settings import TrainSettings
from rnn_models.training.clipping import percentile

Verdict = Literal["explodes", "vanishes", "healthy"]
# steps whose losses are averaged: one batch is harder than another, which is no oscillation
SMOOTHED = 10
LOOKED_BACK = 20  # steps before one that say what norm is usual there
SPIKE = 10.0  # times the usual norm: one such step undoes what ten made
# Of a gradient at the far end of a sequence, as a share of that at its near end. Where each step
# has a loss of its own, as many of them as there are steps add up at the far end, each as it was:
# so growth counts per time step.
GROWN_PER_STEP = 10.0
FADED = 1e-3
CLIPPED_SHARE = 10.0  # percent of the steps that a suggested threshold clips
SWINGS = 0.25  # oscillation above which a training does not get where it could
LAST = 0.1  # share of the steps whose mean loss says where a training came to


@dataclass(frozen=True)
class Summary:
    """A probe in numbers; norms stand before clipping.

    ``num_spikes`` counts norms above ten times what is usual. ``far_end`` is,
    by layer and direction, the gradient that is left ``num_back`` time steps
    before what is read last, as a share of that at the last, after the probe.
    """

    num_steps: int
    num_not_finite: int
    num_clipped: int
    num_spikes: int
    first_loss: float
    last_loss: float
    oscillation: float
    median_norm: float
    high_norm: float
    largest_norm: float
    update_ratio: float
    far_end: dict[str, float]
    num_back: int
    fault: str


@dataclass(frozen=True)
class Diagnosis:
    """Two probes of one training, with clipping and without, put into words.

    ``clip_norm`` is the threshold they suggest, None where no norm was finite.
    """

    verdict: Verdict
    clipped: Summary
    free: Summary
    clip_norm: float | None
    sentences: list[str]


def oscillation(losses: Sequence[float], window: int = SMOOTHED) -> float:
    """How far the loss stands above the lowest it has reached before, in the mean over all steps, in shares of where it began.

    The losses are first smoothed by a mean over ``window`` steps. 0 is a loss
    that only falls; one that begins at 1 and then swings between 0.5 and 0.7
    has about 0.1; one that was never finite or stopped being so is infinite.

    Origin:
        Our own. A ratio of neighbouring differences (von Neumann, 1941) would
        see the noise of single batches and not a loss that climbs for long.
    """
    if not losses or not all(map(math.isfinite, losses)):
        return math.inf
    width = min(window, len(losses))
    smooth = np.convolve(losses, np.full(width, 1 / width), mode="valid")
    above = smooth - np.minimum.accumulate(smooth)
    return float(above.mean() / abs(smooth[0])) if smooth[0] else 0.0


def suggested_norm(norms: Sequence[float]) -> float | None:
    """The norm that one step in ten exceeds, in two digits; None if none is finite.

    Usual steps pass as they are, and those that are far longer than usual are
    bounded by a step that is still usual.

    Origin:
        Pascanu, Mikolov and Bengio (2013), section 3.2, take half to ten times
        the mean norm over many updates. A percentile in its place: a mean is
        moved by the very norms that are to be clipped.
    """
    finite = sorted(norm for norm in norms if math.isfinite(norm))
    found = percentile(finite, 100 - CLIPPED_SHARE) if finite else 0.0
    return float(f"{found:.2g}") if found > 0 else None


def num_spikes(norms: Sequence[float]) -> int:
    """Count the norms above ten times what is usual: the median of the steps before, or of all if that is more.

    So neither the large norms with which a training begins nor a hard batch
    among the small norms at its end is one.
    """
    finite = [norm for norm in norms if math.isfinite(norm)]
    if not finite:
        return 0
    usual = median(finite)
    before = [
        median(finite[max(0, i - LOOKED_BACK) : i] or [norm]) for i, norm in enumerate(finite)
    ]
    return sum(norm > SPIKE * max(usual, there) for norm, there in zip(finite, before, strict=True))


def far_end(norms: Sequence[float]) -> float:
    """The gradient at the far end of a sequence as a share of that at its near end; infinite where one is not finite."""
    if not norms or not all(map(math.isfinite, norms)):
        return math.inf if norms else 1.0
    return norms[-1] / norms[0] if norms[0] else 1.0


def summary_of(probe: Probe) -> Summary:
    """Put a probe into numbers."""
    steps = probe.steps
    norms = [step.gradient_norm for step in steps]
    finite = sorted(norm for norm in norms if math.isfinite(norm))
    losses = [step.loss for step in steps]
    last = losses[-max(1, round(LAST * len(losses))) :]
    ratios = [step.update_ratio for step in steps if step.update_ratio is not None]
    return Summary(
        num_steps=len(steps) + bool(probe.fault),
        num_not_finite=len(norms) - len(finite) + bool(probe.fault),
        num_clipped=sum(step.is_clipped for step in steps if math.isfinite(step.gradient_norm)),
        num_spikes=num_spikes(norms),
        first_loss=losses[0] if losses else math.nan,
        last_loss=mean(last) if last else math.nan,
        oscillation=math.inf if probe.fault else oscillation(losses),
        median_norm=median(finite) if finite else math.nan,
        high_norm=percentile(finite, 100 - CLIPPED_SHARE) if finite else math.nan,
        largest_norm=finite[-1] if finite else math.nan,
        update_ratio=median(ratios) if ratios else math.nan,
        far_end={way: far_end(norms) for way, norms in probe.decay_after.items()},
        num_back=max((len(norms) - 1 for norms in probe.decay_after.values()), default=0),
        fault=probe.fault,
    )


def diagnose(clipped: Probe, free: Probe, clipped_by: str) -> Diagnosis:
    """Say what two probes of one training show, which differ in clipping only.

    Args:
        clipped: Gradients bounded as the settings say.
        free: Gradients as they come.
        clipped_by: How they are bounded, as people write it.
    """
    with_it = summary_of(clipped)
    without = summary_of(free)
    suggested = suggested_norm([step.gradient_norm for step in clipped.steps])
    found = verdict(without, with_it)
    said = [
        _of_norms(without),
        *_of_time(with_it),
        _of_clipping(with_it, without, clipped_by),
        *_of_faults(with_it, without),
    ]
    return Diagnosis(found, with_it, without, suggested, said)


def verdict(free: Summary, clipped: Summary) -> Verdict:
    """Whether gradients explode where nothing bounds them, vanish over time, or do neither."""
    ends = [*free.far_end.values(), *clipped.far_end.values()]
    if free.num_not_finite or free.num_spikes or any(map(has_grown, ends, repeat(free.num_back))):
        return "explodes"
    return "vanishes" if ends and max(ends) < FADED else "healthy"


def has_grown(end: float, num_back: int) -> bool:
    """Whether a gradient is more at the far end than the losses of the steps between can add up to."""
    return end > GROWN_PER_STEP * (num_back + 1)


def _of_norms(free: Summary) -> str:
    told = (
        f"Without clipping the gradient norm is {free.median_norm:.3g} in the median and {free.largest_norm:.3g} at most; "
        f"{free.num_spikes:,} of {free.num_steps:,} steps have more than {SPIKE:g} times what is usual there"
    )
    return (
        f"{told}, and {free.num_not_finite:,} are not finite."
        if free.num_not_finite
        else f"{told}, and all are finite."
    )


def _of_time(clipped: Summary) -> list[str]:
    """What becomes of a gradient on its way back through time."""
    if not clipped.far_end:
        return ["The encoder has no recurrence, so no gradient runs back through time."]
    told = {
        way: f"{end:.2g} {_said(end, clipped.num_back)}" for way, end in clipped.far_end.items()
    }
    ends = "; ".join(f"{way} {what}" for way, what in told.items())
    return [
        f"What is left of a gradient {clipped.num_back} time steps before the hidden state read last, as a share: {ends}."
    ]


def _said(end: float, num_back: int) -> str:
    return (
        "(it grows)"
        if has_grown(end, num_back)
        else "(it fades)"
        if end < FADED
        else "(it arrives)"
    )


def _of_clipping(clipped: Summary, free: Summary, by: str) -> str:
    if not clipped.num_clipped:
        return (
            f"Clipping by {by} changed no step: with it and without it this is the same training."
        )
    return (
        f"Clipping by {by} shortened {clipped.num_clipped:,} of {clipped.num_steps:,} steps "
        f"({clipped.num_clipped / clipped.num_steps:.0%}). Loss at the end: {_number(clipped.last_loss)} with it, "
        f"{_number(free.last_loss)} without it; its oscillation: {_number(clipped.oscillation)} with it, "
        f"{_number(free.oscillation)} without it."
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "not finite"


def _of_faults(clipped: Summary, free: Summary) -> list[str]:
    said = [f"Without clipping the {free.fault}"] if free.fault else []
    return said + (
        [f"Clipping alone does not help here: with it, too, the {clipped.fault}"]
        if clipped.fault
        else []
    )


def advice(found: Diagnosis, settings: TrainSettings) -> list[str]:
    """What to do about a diagnosis, most urgent first; each setting by its full name."""
    said = []
    seen = found.clipped
    lower = f"Lower training.learning_rate (now {settings.learning_rate:g})"
    if seen.fault or seen.last_loss > seen.first_loss:
        said.append(f"{lower}: the loss does not come down.")
    elif seen.oscillation > SWINGS:
        said.append(
            f"{lower}: with clipping, too, the loss swings (oscillation {seen.oscillation:.3g})."
        )
    if found.verdict == "explodes":
        said.append("Keep clipping on: where nothing bounds the gradient, it explodes.")
    if found.verdict == "vanishes":
        said.append(
            f"What lies far back teaches nothing (training.encoder is {settings.encoder}, training.pooling {settings.pooling}): "
            "an lstm or gru lets more of a gradient through than an rnn, and pooling over all states gives each a way of its own."
        )
    if (
        settings.clipping == "norm"
        and found.clip_norm
        and not 0.5 <= settings.clip_norm / found.clip_norm <= 2
    ):
        said.append(
            f"Try training.clip_norm={found.clip_norm:g} (now {settings.clip_norm:g}): nine norms in ten are below it."
        )
    elif found.clip_norm:
        said.append(
            f"A threshold of the norm would be {found.clip_norm:g}: nine norms in ten are below it."
        )
    return said
