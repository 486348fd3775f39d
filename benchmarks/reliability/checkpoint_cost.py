"""What saving costs: trainings of all problems' sizes, with the default intervals.

``python -m benchmarks.reliability.checkpoint_cost`` trains a tagger, a classifier and a
translator on made-up ids for three minutes each, and divides the seconds within savings by those
of the training. ``--seconds 20`` shortens each; ``--dry`` writes nothing.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.lib.figures import Figure
from benchmarks.reliability.outcome import fine_figure, finish
from rnn_models.batching.batch import Examples, Ragged
from rnn_models.problem import Sizes, find_problem
from rnn_models.training.loop import fit
from rnn_models.training.saving import Saving

COMMAND = "python -m benchmarks.reliability.checkpoint_cost"
NUM_IDS = 20_000
NUM_LABELS = 9
NUM_ROWS = 20_000
LENGTH = 20
PROBLEMS = ("sentiment", "ner", "translation")


def made_examples(problem: str, num: int) -> Examples:
    """Draw rows of ids whose targets have the shape that a problem needs."""
    chance = np.random.default_rng(1)
    offsets = np.arange(num + 1, dtype=np.int64) * LENGTH
    source = Ragged(chance.integers(4, NUM_IDS, num * LENGTH, dtype=np.int32), offsets)
    if problem == "translation":
        return Examples(source, source)
    if problem == "ner":
        tags = np.zeros(num * LENGTH, dtype=np.int32)
        return Examples(source, Ragged(tags, offsets))
    labels = chance.integers(0, NUM_LABELS, num, dtype=np.int32)
    return Examples(source, Ragged(labels, np.arange(num + 1, dtype=np.int64)))


def sizes_of(problem: str) -> Sizes:
    """Give the vocabulary sizes and labels of a made-up problem."""
    labels = {
        "sentiment": tuple(f"label{i}" for i in range(NUM_LABELS)),
        "ner": ("O", *(f"{cut}-{kind}" for kind in "ABCD" for cut in "BI")),
        "translation": (),
    }[problem]
    return Sizes(source=NUM_IDS, target=len(labels) or NUM_IDS, labels=labels)


@contextmanager
def timed_savings() -> Iterator[list[float]]:
    """Note the seconds of each saving."""
    seconds: list[float] = []
    save: Callable[..., None] = Saving.save

    def timed(self: Saving, training: object) -> None:
        started = time.perf_counter()
        save(self, training)
        seconds.append(time.perf_counter() - started)

    with patch.object(Saving, "save", timed):
        yield seconds


def share_of(name: str, seconds: float, num_rows: int) -> tuple[float, int]:
    """Train a problem for so long, and return the share of its savings and their number."""
    problem = find_problem(name)
    settings = problem.defaults.with_changes({"max_minutes": seconds / 60, "max_epochs": 100})
    rows = made_examples(name, num_rows)
    validation = made_examples(name, 200)
    with tempfile.TemporaryDirectory() as folder, timed_savings() as savings:
        started = time.perf_counter()
        path = Path(folder) / "resume.safetensors"
        fit(problem, rows, validation, sizes_of(name), settings, resume=path)
        return sum(savings) / (time.perf_counter() - started), len(savings)


def measure() -> list[Figure]:
    """Measure the largest share of three problems."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--rows", type=int, default=NUM_ROWS)
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    logging.getLogger("rnn_models").setLevel(logging.ERROR)
    shares = {}
    for name in PROBLEMS:
        shares[name], num = share_of(name, options.seconds, options.rows)
        print(f"{name}: {100 * shares[name]:.2f} % of the time in {num} savings", flush=True)
    return [
        fine_figure(
            "checkpoint_cost_share",
            max(shares.values()),
            unit="of the training time",
            goal=0.02,
            better="lower",
            command=COMMAND,
            note=f"the largest of {', '.join(PROBLEMS)}, with the default intervals, each "
            "file flushed to the disk",
        )
    ]


if __name__ == "__main__":
    finish(measure)
