"""Diagnosis of gradients: oscillation of the loss, explosion or vanishing, a clipping threshold."""

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
    """A probe in numbers; norms are those before clipping.

    ``num_spikes`` counts norms above ten times the usual one. ``far_end`` is, by
    layer and direction, the gradient ``num_back`` time steps before the last
    step, as a share of that at the last step, after the probe.
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
    """Two probes of one training, with clipping and without, described in sentences.

    ``clip_norm`` is the suggested threshold, None where no norm was finite.
    """

    verdict: Verdict
    clipped: Summary
    free: Summary
    clip_norm: float | None
    sentences: list[str]


def oscillation(losses: Sequence[float], window: int = SMOOTHED) -> float:
    """Measure how far the loss is above its lowest value so far, relative to its start.

    The mean over all steps, of losses smoothed over ``window`` steps. A loss
    that only falls has 0; one that starts at 1 and then oscillates between 0.5
    and 0.7 has about 0.1; one that is not finite somewhere has infinity.

    Origin:
        A measure of this project. A ratio of successive differences (von
        Neumann, 1941) would measure the noise of single batches and miss a loss
        that climbs for long.
    """
    if not losses or not all(map(math.isfinite, losses)):
        return math.inf
    width = min(window, len(losses))
    smooth = np.convolve(losses, np.full(width, 1 / width), mode="valid")
    # A running minimum: a loss that falls again after a peak still counts its time above.
    above = smooth - np.minimum.accumulate(smooth)
    return float(above.mean() / abs(smooth[0])) if smooth[0] else 0.0


def suggested_norm(norms: Sequence[float]) -> float | None:
    """Suggest the norm that one step in ten exceeds, in two digits; None if none is finite.

    Common steps stay as they are, and exploding ones are as long as a large
    common step.

    Origin:
        Pascanu, Mikolov and Bengio (2013), section 3.2, take half to ten times
        the mean norm over many updates. A percentile here: the mean depends on
        the very norms that are to be clipped.
    """
    finite = sorted(norm for norm in norms if math.isfinite(norm))
    found = percentile(finite, 100 - CLIPPED_SHARE) if finite else 0.0
    return float(f"{found:.2g}") if found > 0 else None


def num_spikes(norms: Sequence[float]) -> int:
    """Count the norms above ten times the usual one.

    Usual is the median of the steps before, or of all steps if that is larger.
    So neither the large norms at the start of a training nor a hard batch among
    the small norms at its end is a spike.
    """
    # Those that are not finite are counted apart.
    finite = [norm for norm in norms if math.isfinite(norm)]
    if not finite:
        return 0
    usual = median(finite)
    before = [
        median(finite[max(0, i - LOOKED_BACK) : i] or [norm]) for i, norm in enumerate(finite)
    ]
    return sum(norm > SPIKE * max(usual, there) for norm, there in zip(finite, before, strict=True))


def far_end(norms: Sequence[float]) -> float:
    """Divide the gradient at the far end of a sequence by that at its near end."""
    if not norms or not all(map(math.isfinite, norms)):
        return math.inf if norms else 1.0
    return norms[-1] / norms[0] if norms[0] else 1.0


def summary_of(probe: Probe) -> Summary:
    """Summarize a probe."""
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
    """Diagnose a training by two probes that differ in clipping only.

    Args:
        clipped: The probe with the clipping of the settings.
        free: The probe without clipping.
        clipped_by: The way of clipping, as text.
    """
    with_clipping = summary_of(clipped)
    without = summary_of(free)
    # From the run with clipping: without it an explosion fills the norms of later steps.
    suggested = suggested_norm([step.gradient_norm for step in clipped.steps])
    found = verdict(without, with_clipping)
    sentences = [
        _of_norms(without),
        *_of_time(with_clipping),
        _of_clipping(with_clipping, without, clipped_by),
        *_of_faults(with_clipping, without),
    ]
    return Diagnosis(found, with_clipping, without, suggested, sentences)


def verdict(free: Summary, clipped: Summary) -> Verdict:
    """Decide whether gradients explode without clipping, vanish over time, or do neither."""
    # Spikes and overflow are seen without clipping, which would hide them; decay through time in
    # both, since it depends on the weights that each reaches.
    ends = [*free.far_end.values(), *clipped.far_end.values()]
    if free.num_not_finite or free.num_spikes or any(map(has_grown, ends, repeat(free.num_back))):
        return "explodes"
    return "vanishes" if ends and max(ends) < FADED else "healthy"


def has_grown(end: float, num_back: int) -> bool:
    """Whether a gradient at the far end is larger than the losses of all steps can add up to."""
    return end > GROWN_PER_STEP * (num_back + 1)


def _of_norms(free: Summary) -> str:
    num = f"{free.num_not_finite:,}" if free.num_not_finite else "all"
    return (
        f"Without clipping the gradient norm is {free.median_norm:.3g} in the median and "
        f"{free.largest_norm:.3g} at most; {free.num_spikes:,} of {free.num_steps:,} steps have "
        f"more than {SPIKE:g} times what is usual there, and {num} are "
        f"{'not finite' if free.num_not_finite else 'finite'}."
    )


def _of_time(clipped: Summary) -> list[str]:
    """Describe how a gradient changes on its way back through time."""
    if not clipped.far_end:
        return ["The encoder has no recurrence, so no gradient runs back through time."]
    ends = "; ".join(
        f"{way} {end:.2g} {_trend(end, clipped.num_back)}" for way, end in clipped.far_end.items()
    )
    return [
        f"What is left of a gradient {clipped.num_back} time steps before the hidden state "
        f"read last, as a share: {ends}."
    ]


def _trend(end: float, num_back: int) -> str:
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
        f"({clipped.num_clipped / clipped.num_steps:.0%}). Loss at the end: "
        f"{_number(clipped.last_loss)} with it, {_number(free.last_loss)} without it; "
        f"its oscillation: {_number(clipped.oscillation)} with it, "
        f"{_number(free.oscillation)} without it."
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "not finite"


def _of_faults(clipped: Summary, free: Summary) -> list[str]:
    sentences = [f"Without clipping the {free.fault}"] if free.fault else []
    if clipped.fault:
        sentences.append(f"Clipping alone does not help here: with it, too, the {clipped.fault}")
    return sentences


def advice(found: Diagnosis, settings: TrainSettings) -> list[str]:
    """Advise on settings, most urgent first; each setting by its full name."""
    sentences = []
    seen = found.clipped
    lower = f"Lower training.learning_rate (now {settings.learning_rate:g})"
    if seen.fault or seen.last_loss > seen.first_loss:
        sentences.append(f"{lower}: the loss does not come down.")
    elif seen.oscillation > SWINGS:
        sentences.append(
            f"{lower}: with clipping, too, the loss swings (oscillation {seen.oscillation:.3g})."
        )
    if found.verdict == "explodes":
        sentences.append("Keep clipping on: where nothing bounds the gradient, it explodes.")
    if found.verdict == "vanishes":
        sentences.append(
            f"What lies far back teaches nothing (training.encoder is {settings.encoder}, "
            f"training.pooling {settings.pooling}): an lstm or gru lets more of a gradient through "
            "than an rnn, and pooling over all states gives each a short path to the loss."
        )
    if (
        settings.clipping == "norm"
        and found.clip_norm
        # Within a factor of two thresholds act alike.
        and not 0.5 <= settings.clip_norm / found.clip_norm <= 2
    ):
        sentences.append(
            f"Try training.clip_norm={found.clip_norm:g} (now {settings.clip_norm:g}): "
            "nine norms in ten are below it."
        )
    elif found.clip_norm:
        sentences.append(
            f"A threshold of the norm would be {found.clip_norm:g}: nine norms in ten are below it."
        )
    return sentences
