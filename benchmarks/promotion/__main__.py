"""Errors of promotion: equal systems that it promotes, and better ones that it does not.

``python -m benchmarks.promotion`` trains two seeds of the same settings on
four datasets, keeps what they say of the real test splits, and decides on
pairs that are drawn from these answers.

An A/A pair must be one whose true difference is nothing. Two seeds are two
fixed systems, and one of them is the better: pairs that only resample the test
rows share that difference, and a test that finds it is right to do so. So each
pair draws test rows with replacement, as many as the split has, and for each
row throws a coin which seed's answer is the challenger's and which the
champion's. Both are then mixtures of the same two systems and exchangeable row
by row: no metric can tell them apart but by chance, while how often and where
two trainings disagree is as real as it was. Every promotion is a false one.

A known gain is made on top of that: of each row, the challenger's answer
becomes the right one with a probability, the same for all rows, by which the
score of both seeds together rises by just the points that are asked for. Of a
cost, each token of the text becomes a tenth cheaper instead, and points are
percent of the cost.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import binomtest

from benchmarks.lib.figures import RESULTS, ROOT, Figure, figure, write
from benchmarks.lib.figures import main as write_tables
from benchmarks.promotion.seed_pairs import SETTINGS, Pair, Three, read_pairs
from refrain.environment import prepare
from rnn_models.evaluation.metric import Metric, Statistics
from rnn_models.evaluation.significance import Comparison, compare, compare_classes
from tasks.promotion.rule import Evidence, decide, has_fallen
from tasks.settings import PromotionSettings
from tasks.store.code import code_digest

HOME = ROOT / ".refrain-promotion"
COMMAND = "python -m benchmarks.promotion"
NUM_PAIRS = 200
NUM_BETTER = 40
GAINS = (0.5, 1.0, 2.0, 3.0)
POWER_GAIN = 2.0  # points, for the figure
HEADLINES = (
    "accuracy",
    "span_f1",
    "bleu",
    "bits_per_character",
)  # the metrics that decide; others are looked at as well
NOT_COMPARED = ("token_accuracy",)
CODE = (
    "rnn_models/evaluation/significance.py",
    "rnn_models/evaluation/metrics.py",
    "tasks/promotion/rule.py",
    "benchmarks/promotion/__main__.py",
)
RULE = PromotionSettings()


@dataclass(frozen=True)
class Measured:
    """How the default policy decided on pairs of one metric."""

    dataset: str
    metric: str
    title: str
    num_examples: int
    seeds: tuple[float, float]
    num_pairs: int
    promoted: int
    as_good: int
    guarded: int
    power: dict[str, float]


@dataclass(frozen=True)
class Drawn:
    """A pair as it was drawn: statistics of challenger and champion, whole and for each class."""

    ours: Statistics
    theirs: Statistics
    classes: tuple[dict[str, Statistics], dict[str, Statistics]]


def draw(pair: Pair, random: np.random.Generator, share: float = 0.0) -> Drawn:
    """Draw test rows and the challenger's seed of each; ``share`` of its predictions improve."""
    num = len(pair.rows[0])
    rows = random.integers(num, size=num)
    is_swapped = random.random((num, 1)) < 0.5
    is_better = random.random((num, 1)) < share

    def sides(three: Three) -> tuple[Statistics, Statistics]:
        first, second, better = (side[rows] for side in three)
        return np.where(is_better, better, np.where(is_swapped, second, first)), np.where(
            is_swapped, first, second
        )

    kinds = {name: sides(three) for name, three in pair.classes.items()}
    ours, theirs = ({name: both[side] for name, both in kinds.items()} for side in (0, 1))
    return Drawn(*sides(pair.rows), (ours, theirs))


def decided(metric: Metric, drawn: Drawn, seed: int) -> tuple[bool, Comparison, bool]:
    """Whether the challenger is promoted, the comparison, and whether a guard stands in its way."""
    found = compare(metric, drawn.ours, drawn.theirs, alpha=RULE.alpha, seed=seed)
    classes = compare_classes(*drawn.classes, seed=seed)
    evidence = Evidence(
        metric=metric, score=found.ours, against="champion", comparison=found, classes=classes
    )
    return decide(evidence, RULE)[0], found, any(has_fallen(change, RULE) for change in classes)


def share_for(pair: Pair, points: float) -> float:
    """Find the share of predictions that must improve for a gain of some points."""
    first, second, better = (rows.sum(0) for rows in pair.rows)
    before = (first + second) / 2

    def score(share: float) -> float:
        return float(pair.metric.score(((1 - share) * before + share * better)[None])[0])

    wanted = points / 100 * score(0) if pair.metric.is_cost else points
    low = 0.0
    high = 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if pair.metric.gain(score(middle), score(0)) < wanted else (low, middle)
        )
    return high


def measure(dataset: str, pair: Pair) -> Measured:
    """Decide on pairs without a difference, and on pairs with known ones."""
    metric = pair.metric
    random = np.random.default_rng(0)
    outcomes = [decided(metric, draw(pair, random), seed) for seed in range(NUM_PAIRS)]
    power = {}
    for points in GAINS if metric.name in HEADLINES else ():
        share = share_for(pair, points)
        won = sum(decided(metric, draw(pair, random, share), seed)[0] for seed in range(NUM_BETTER))
        power[f"{points:g}"] = won / NUM_BETTER
    first, second = (float(metric.score(rows.sum(0)[None])[0]) for rows in pair.rows[:2])
    return Measured(
        dataset,
        metric.name,
        metric.title,
        len(pair.rows[0]),
        (first, second),
        NUM_PAIRS,
        sum(is_promoted for is_promoted, _, _ in outcomes),
        sum(found.gain >= 0 for _, found, _ in outcomes),
        sum(is_guarded for _, _, is_guarded in outcomes),
        power,
    )


def kept(dataset: str, pair: Pair) -> Measured:
    """What was measured before with this code, or is measured now."""
    path = HOME / "measured" / f"{dataset}-{pair.metric.name}-{code_digest(*CODE)}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(measure(dataset, pair))))
    return Measured(**json.loads(path.read_text()))


def rate(hits: int, num: int) -> str:
    """A share in percent with its exact 95 % interval."""
    interval = binomtest(hits, num).proportion_ci(method="exact")
    return f"{100 * hits / num:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def table(measured: list[Measured]) -> Iterator[str]:
    """Rates of each metric in Markdown."""
    head = [
        "metric",
        "dataset, examples",
        "the two seeds",
        "A/A promoted",
        "`new >= old` would",
        "stopped by a guard",
    ]
    head += [f"+{points:g}" for points in GAINS]
    yield f"| {' | '.join(head)} |"
    yield "|---|---|---|---:|---:|---:|" + "---:|" * len(GAINS)
    for item in measured:
        guarded = (
            f"{100 * item.guarded / item.num_pairs:.1f} %"
            if item.metric in ("accuracy", "macro_f1", "span_f1")
            else "-"
        )
        cells = [
            item.title,
            f"`{item.dataset}`, {item.num_examples:,}",
            " and ".join(f"{score:.2f}" for score in item.seeds),
            rate(item.promoted, item.num_pairs),
            f"{100 * item.as_good / item.num_pairs:.1f} %",
            guarded,
        ]
        powers = [f"{100 * power:.0f} %" for power in item.power.values()] or ["-"] * len(GAINS)
        yield f"| {' | '.join(cells + powers)} |"


def seconds(pair: Pair) -> float:
    """Seconds of one core that 10,000 resamples of 5,000 examples take: the middle of five."""
    rows = np.random.default_rng(0).integers(len(pair.rows[0]), size=5000)
    taken = []
    for _ in range(5):
        started = time.process_time()
        compare(pair.metric, pair.rows[0][rows], pair.rows[1][rows], num_resamples=10_000)
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def figures(measured: list[Measured], taken: dict[str, float]) -> list[Figure]:
    """What is measured as figures with their goals."""
    promoted = sum(item.promoted for item in measured)
    num = sum(item.num_pairs for item in measured)
    power = [(item, item.power[f"{POWER_GAIN:g}"]) for item in measured if item.power]
    naive = sum(item.as_good for item in measured) / num
    common: dict[str, Any] = {"command": COMMAND}
    rates = (
        f"{num:,} A/A pairs, {rate(promoted, num)}; `new >= old` would promote {100 * naive:.0f} %"
    )
    powers = ", ".join(
        f"{item.title} {100 * share:.0f} % ({item.num_examples:,} examples)"
        for item, share in power
    )
    speeds = (
        "10,000 resamples of 5,000 examples, bootstrap and swaps together, on one core; "
        + ", ".join(f"{name} {value:.2f} s" for name, value in taken.items())
    )
    found = [
        (
            promoted / num,
            figure(
                "aa_false_promotion_rate",
                0,
                unit="of pairs",
                goal=0.05,
                better="lower",
                note=rates,
                **common,
            ),
        ),
        (
            sum(share for _, share in power) / len(power),
            figure(
                "known_gain_power",
                0,
                unit=f"of pairs with {POWER_GAIN:g} points of gain",
                goal=0.8,
                better="higher",
                note=f"mean of {powers}",
                **common,
            ),
        ),
        (
            max(taken.values()),
            figure("bootstrap_seconds", 0, unit="s", goal=1, better="lower", note=speeds, **common),
        ),
    ]
    return [replace(item, value=round(value, 4)) for value, item in found]


def main() -> None:
    """Measure, and leave figures and table."""
    os.environ["REFRAIN_HOME"] = str(HOME)
    prepare()
    pairs = [
        (dataset, pair)
        for dataset in SETTINGS
        for pair in read_pairs(dataset, HOME)
        if pair.metric.name not in NOT_COMPARED
    ]
    taken = {
        pair.metric.title: seconds(pair)
        for _, pair in pairs
        if pair.metric.name in ("span_f1", "bleu", "chrf")
    }
    measured = []
    for dataset, pair in pairs:
        measured.append(kept(dataset, pair))
        print("\n".join(table(measured[-1:])), flush=True)
    (RESULTS / "promotion.md").write_text("\n".join(table(measured)) + "\n")
    write("promotion", figures(measured, taken))
    write_tables()


if __name__ == "__main__":
    main()
