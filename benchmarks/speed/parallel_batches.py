"""Gain of predicting several batches at a time: rows a second, beside one at a time.

``python -m benchmarks.speed.parallel_batches`` asks fresh models of the sizes of
``benchmarks.speed``, in turn, and puts medians and their ratio into ``SPEED.md``.
"""

import statistics
import time
from unittest.mock import patch

import torch

from benchmarks.lib.figures import RESULTS
from benchmarks.lib.figures import main as renew_documents
from benchmarks.speed.inputs import first, ner, sentiment, translation
from benchmarks.speed.peer_environments import prepare_inputs
from rnn_models import parallel_batches
from rnn_models.batching.batch import Examples
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import Problem

CASES = {
    "ner": (ner, 1024, 32),
    "sentiment": (sentiment, 1024, 32),
    "translation": (translation, 128, 32),
}
REPETITIONS = 7


def seconds(
    problem: Problem, model: torch.nn.Module, examples: Examples, size: int, most: int
) -> float:
    """Seconds until some rows are answered, in batches of a size, ``most`` of them at a time."""
    with patch.object(parallel_batches, "MOST", most):
        started = time.perf_counter()
        predict_all(problem, model, examples, size=size)
        return time.perf_counter() - started


def main() -> None:
    """Print a table, and put it into ``SPEED.md``."""
    prepare_inputs()
    lines = [
        f"| {torch.get_num_threads()} threads | rows/s in turn | rows/s at once | ratio |",
        "|---|---:|---:|---:|",
    ]
    for name, (make, num, size) in CASES.items():
        torch.manual_seed(0)
        row = make()
        model = row.problem.build(row.sizes, row.settings)
        examples = first(row.other if len(row.other) >= num else row.train, num)
        turns = [
            [
                seconds(row.problem, model, examples, size, most)
                for most in (1, parallel_batches.MOST)
            ]
            for _ in range(1 + REPETITIONS)
        ][1:]
        alone, together = (num / statistics.median(times) for times in zip(*turns, strict=True))
        lines.append(f"| {name} | {alone:,.0f} | {together:,.0f} | {together / alone:.2f} |")
    (RESULTS / "at_once.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    renew_documents()


if __name__ == "__main__":
    main()
