"""Growth of a training's time with rows, length, width, vocabulary and threads, beside theory.

``python -m benchmarks.speed.time_growth`` trains small translators on made-up ids,
one size changed at a time. The law of a step is its matrix products
(``speed_flop``), that of an epoch its rows, that of threads one over their
number. It starts from the smallest size, where what does not grow weighs most:
a curve above the law grows faster than it should.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.lib.figures import RESULTS, ROOT
from benchmarks.lib.figures import main as renew_documents
from benchmarks.speed.flop import Translated, Widths, training_flop
from rnn_models.batching.batch import Examples, Ragged
from rnn_models.problem import Sizes, find_problem
from rnn_models.training.loop import fit

COMMAND = "python -m benchmarks.speed.time_growth"
KEPT = RESULTS / "curves" / "time_growth.json"
FIGURES = ROOT / "docs" / "benchmarks" / "time_growth"
WARMUP = 3
STEPS = 9
TOLERANCE = 1.15  # measured growth over the law's: more is more than a sitting's noise


@dataclass(frozen=True)
class Size:
    """A training: sentences of a batch and an epoch, tokens of each side, width, ids, threads."""

    rows: int = 512
    batch: int = 32
    length: int = 16
    hidden: int = 128
    ids: int = 4_000
    threads: int = 1


@dataclass(frozen=True)
class Axis:
    """One size and the values it takes; what is timed of each, and the law of that."""

    name: str
    values: tuple[int, ...]
    about: str
    timed: Callable[[Size], float]
    law: Callable[[Size], float]


def examples(size: Size) -> Examples:
    """Made-up pairs of texts of one length."""
    random = np.random.default_rng(0)
    source, target = (
        Ragged.of(random.integers(4, size.ids, (size.rows, size.length)).tolist()) for _ in "st"
    )
    return Examples(source, target)


def step_times(size: Size, steps: int) -> list[float]:
    """When each step of a training ended."""
    torch.set_num_threads(size.threads)
    problem = find_problem("translation")
    made = examples(size)
    settings = problem.defaults.with_changes(
        {
            "embedding_size": size.hidden,
            "hidden_size": size.hidden,
            "input_feeding": True,
            "tied_embeddings": "none",
            "batch_size": size.batch,
            "batch_tokens": 1 << 20,
            "max_steps": steps,
            "measure_every": 0,
            "max_epochs": steps,
            "patience": steps,
            "precision": "float32",
            "device": "cpu",
        }
    )
    few = Examples(Ragged.of([[4]]), Ragged.of([[4]]))
    times = list[float]()
    fit(
        problem,
        made,
        few,
        Sizes(source=size.ids, target=size.ids),
        settings,
        on_step=lambda _: times.append(time.perf_counter()),
    )
    return times


def step_seconds(size: Size) -> float:
    """Seconds of a step, the median of some."""
    return float(np.median(np.diff(step_times(size, WARMUP + STEPS))[WARMUP - 1 :]))


def epoch_seconds(size: Size) -> float:
    """Seconds of an epoch's steps, after some of the epoch before."""
    steps = size.rows // size.batch
    times = step_times(replace(size, rows=size.rows + WARMUP * size.batch), WARMUP + steps)
    return times[-1] - times[WARMUP - 1]


def step_flop(size: Size) -> float:
    """Operations of a step's matrix products."""
    target = size.length + 1
    done = Translated(
        size.batch, size.batch * size.length, size.batch * target, size.batch * size.length * target
    )
    return training_flop(done, Widths(size.hidden, size.hidden, size.hidden, size.ids))


AXES = {
    axis.name: axis
    for axis in (
        Axis(
            "rows",
            (256, 512, 1024, 2048, 4096),
            "an epoch: as its rows",
            epoch_seconds,
            lambda size: size.rows,
        ),
        Axis("length", (8, 16, 32, 64, 128), "a step: as its products", step_seconds, step_flop),
        Axis("hidden", (64, 128, 256, 512), "a step: as its products", step_seconds, step_flop),
        Axis(
            "ids",
            (1_000, 2_000, 4_000, 8_000, 16_000),
            "a step: as its products",
            step_seconds,
            step_flop,
        ),
        Axis(
            "threads",
            (1, 2),
            "a step: one over threads, at best",
            step_seconds,
            lambda size: 1 / size.threads,
        ),
    )
}


@dataclass(frozen=True)
class Curve:
    """Milliseconds at each value, and what the law says from the first on."""

    values: Sequence[int]
    measured: Sequence[float]
    expected: Sequence[float]

    @property
    def growth(self) -> float:
        """How many times longer the last takes than the first."""
        return self.measured[-1] / self.measured[0]

    @property
    def lawful_growth(self) -> float:
        """How many times longer it should take."""
        return self.expected[-1] / self.expected[0]

    @property
    def is_lawful(self) -> bool:
        """Whether it grows no faster than it should."""
        return self.growth <= TOLERANCE * self.lawful_growth


def curve(values: Sequence[int], seconds: Sequence[float], law: Sequence[float]) -> Curve:
    """Measured times beside a law that starts where they start."""
    return Curve(
        values, [1000 * s for s in seconds], [1000 * seconds[0] * amount / law[0] for amount in law]
    )


def measured(axis: Axis, repetitions: int) -> Curve:
    """The curve of an axis, of medians over some turns."""
    sizes = [replace(Size(), **{axis.name: value}) for value in axis.values]
    turns = [[axis.timed(size) for size in sizes] for _ in range(repetitions)]
    seconds = [statistics.median(times) for times in zip(*turns, strict=True)]
    return curve(axis.values, seconds, [axis.law(size) for size in sizes])


def drawn(axis: Axis, found: Curve) -> Figure:
    """A curve and its law, both axes in logarithms."""
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        found.values, found.expected, "--", color="#888888", label="the law, from the first point"
    )
    axes.plot(found.values, found.measured, "o-", color="#4c78a8", label="measured")
    axes.set(title=axis.about, xlabel=axis.name, ylabel="milliseconds", xscale="log", yscale="log")
    axes.set_xticks(found.values, [f"{value:,}" for value in found.values])
    axes.minorticks_off()
    axes.legend()
    return figure


def kept_curves() -> dict[str, Curve]:
    """The curves of the last sitting."""
    return (
        {name: Curve(**found) for name, found in json.loads(KEPT.read_text()).items()}
        if KEPT.exists()
        else {}
    )


def page(found: dict[str, Curve]) -> str:
    """What was measured, axis by axis, in Markdown."""
    lines = ["| size | law | from, to | should take | takes | |", "|---|---|---|---:|---:|---|"]
    for name, axis in AXES.items():
        ends = f"{axis.values[0]:,} to {axis.values[-1]:,}"
        seen = found.get(name)
        if seen is None:
            lines.append(f"| {name} | {axis.about} | {ends} | | not measured | |")
            continue
        verdict = "" if seen.is_lawful else "**grows faster than it should**"
        lines.append(
            f"| {name} | {axis.about} | {ends} | {seen.lawful_growth:.2f} times | "
            f"{seen.growth:.2f} times | {verdict} |"
        )
    shown = [f"![time by {name}](time_growth/{name}.svg)" for name in AXES if name in found]
    return "\n".join([*lines, "", *shown]).rstrip() + "\n"


def keep(name: str, found: Curve) -> None:
    """Keep a curve with its figure."""
    FIGURES.mkdir(exist_ok=True)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "refrain"}):
        drawn(AXES[name], found).savefig(FIGURES / f"{name}.svg", metadata={"Date": None})
    kept = {other: asdict(curve) for other, curve in kept_curves().items()} | {name: asdict(found)}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def write_page() -> None:
    """Write the table of the kept curves, and the documents made of it."""
    (RESULTS / "speed_growth.md").write_text(page(kept_curves()))
    renew_documents()


def main() -> None:
    """Measure some sizes, or all."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("sizes", nargs="*", choices=[*AXES, []])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--try", dest="is_try", action="store_true", help="keep nothing")
    arguments = parser.parse_args()
    for name in arguments.sizes or list(AXES):
        found = measured(AXES[name], arguments.repetitions)
        steps = ", ".join(
            f"{value:,}: {ms:.1f} ms"
            for value, ms in zip(found.values, found.measured, strict=True)
        )
        print(
            f"{name:<9} {found.growth:.2f} times, should be {found.lawful_growth:.2f}  ({steps})",
            flush=True,
        )
        if not arguments.is_try:
            keep(name, found)
    if not arguments.is_try:
        write_page()


if __name__ == "__main__":
    main()
