"""One run of our side of ``benchmarks.speed``, in a process of its own: prints one line of JSON.

Trains with ``rnn_models.training.loop.fit`` on what the peers read, and times the
steps after a warm-up from one call of its hook to the next, so that making
batches, clipping, measuring and logging all count.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.lib.memory import memory_mib
from benchmarks.speed.flop import Translated, Widths, model_bytes, training_flop
from benchmarks.speed.inputs import TRANSLATION, Row, first, lines_of, ner, sentiment, translation
from benchmarks.speed.joeynmt_weights import laid, read_joeynmt, source_examples
from benchmarks.speed.peer_environments import WORK
from rnn_models.batching.batch import epoch_batches
from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import find_problem
from rnn_models.training.history import TrainingHistory
from rnn_models.training.loop import fit

SIDE = 2048  # of the square product that the limit is measured by


COPIES = 5  # of the weights: themselves, their gradient, AdamW's two averages, the best epoch's


def planned(row: Row) -> list[NDArray[np.int64]]:
    """The batches that a training takes first, in its order."""
    s = row.settings
    epochs = (
        epoch_batches(row.train, size=s.batch_size, tokens=s.batch_tokens, seed=s.seed, epoch=n)
        for n in range(1, 4)
    )
    return [batch for epoch in epochs for batch in epoch]


def timed_training(row: Row, warmup: int, steps: int) -> tuple[TrainingHistory, float]:
    """Train so many steps, and give the seconds of those after the warm-up."""
    times: list[float] = []
    settings = row.settings.with_changes({"max_steps": warmup + steps})
    history = fit(
        row.problem,
        row.train,
        first(row.other, 64),
        row.sizes,
        settings,
        on_step=lambda step: times.append(time.perf_counter()),
    )
    return history, times[-1] - times[warmup - 1]


def trained(row: Row, warmup: int, steps: int) -> tuple[TrainingHistory, dict[str, Any]]:
    """Train, and say how fast and in how much memory."""
    before = restart_peak()
    history, seconds = timed_training(row, warmup, steps)
    batches = planned(row)[warmup : warmup + steps]
    side, ends = (
        (row.train.target, 1) if row.problem.name == "translation" else (row.train.source, 0)
    )
    tokens = sum(int((side.lengths_of(batch) + ends).sum()) for batch in batches)
    weights = sum(tensor.numel() for tensor in history.weights.values())
    memory = {
        "parameters": weights,
        "needed_mib": model_bytes(weights, COPIES) / 2**20,
        "used_mib": memory_mib("VmHWM") - before,
    }
    return history, {"train": tokens / seconds, "tokens": tokens, "seconds": seconds, **memory}


def restart_peak() -> float:
    """Reset the peak of this process' memory, so that reading the data does not count."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mib("VmRSS")


def products_per_second() -> float:
    """Operations per second of a large product in float32, the median of some."""
    left = torch.rand(SIDE, SIDE)
    right = torch.rand(SIDE, SIDE)
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return 2 * SIDE**3 / statistics.median(seconds[1:])


def translation_train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Translation: speed and its share of what products alone would reach."""
    row = translation()
    limit = products_per_second()
    _, found = trained(row, arguments.warmup, arguments.steps)
    limit = statistics.mean([limit, products_per_second()])
    flop = training_flop(
        counted(row, planned(row)[arguments.warmup : arguments.warmup + arguments.steps]),
        widths(row),
    )
    share = 100 * flop / found["seconds"] / limit
    return found | {
        "roofline_share": share,
        "gflop_per_second": limit / 1e9,
        "mflop_per_token": flop / found["tokens"] / 1e6,
    }


def counted(row: Row, batches: list[NDArray[np.int64]]) -> Translated:
    """What some batches hold."""
    indices = np.concatenate(batches)
    source = row.train.source.lengths_of(indices)
    target = row.train.target.lengths_of(indices) + 1
    return Translated(
        len(indices), int(source.sum()), int(target.sum()), int((source * target).sum())
    )


def widths(row: Row) -> Widths:
    """Widths of the model."""
    s = row.settings
    return Widths(s.embedding_size, s.hidden_size, s.decoder_size, row.sizes.target)


def ner_train(arguments: argparse.Namespace) -> dict[str, Any]:
    """NER: training, then the tags of test sentences."""
    row = ner()
    history, found = trained(row, arguments.warmup, arguments.steps)
    model = row.problem.build(row.sizes, row.settings)
    load_weights(model, history.weights)
    test = first(row.other, arguments.rows)
    started = time.perf_counter()
    predict_all(row.problem, model, test, size=row.settings.batch_size)
    return found | {"predict": int(test.source.lengths.sum()) / (time.perf_counter() - started)}


def sentiment_train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Sentiment: training."""
    return trained(sentiment(), arguments.warmup, arguments.steps)[1]


def beam(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time a beam search in JoeyNMT's model: sentences per second and mean length."""
    problem = find_problem("translation")
    folder = WORK / f"joeynmt-{arguments.steps}"
    model = laid(read_joeynmt(folder), problem.defaults.with_changes(TRANSLATION))
    test = source_examples(folder, lines_of("test.bpe.en")[: arguments.rows])
    started = time.perf_counter()
    outputs = predict_all(problem, model, test, size=model.settings.batch_size)
    return {
        "beam": len(test) / (time.perf_counter() - started),
        "length": statistics.mean(len(output.ids) for output in outputs),
    }


RUNS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "translation": translation_train,
    "ner": ner_train,
    "sentiment": sentiment_train,
    "beam": beam,
}


def main() -> None:
    """Measure one row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.ours")
    parser.add_argument("row", choices=list(RUNS))
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rows", type=int, default=256)
    arguments = parser.parse_args()
    print(json.dumps(RUNS[arguments.row](arguments)))


if __name__ == "__main__":
    main()
