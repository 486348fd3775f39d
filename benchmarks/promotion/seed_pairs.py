"""Two seeds of the same settings on the same real test split, for ``benchmarks.promotion``.

The trainings are short, for two systems are wanted that differ by chance and
not two that are good. N examples, S statistics.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.evaluation.metric import Metric, Statistics
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import find_problem
from tasks.ingest import ingest
from tasks.scoring.outputs import predict_split, references
from tasks.settings import read_settings
from tasks.store.artifacts import TokenSet
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train

SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "rotten_tomatoes": {"training": {"max_epochs": 4}},
    "msra": {"tokens": {"limit": 4000}, "training": {"max_epochs": 3, "hidden_size": 64}},
    "irish_tunes": {"training": {"max_epochs": 5, "hidden_size": 96}},
    "tatoeba_en_fr": {
        "tokens": {"limit": 20_000},
        "training": {
            "max_epochs": 6,
            "hidden_size": 128,
            "embedding_size": 128,
            "batch_size": 64,
            "label_smoothing": 0.0,
        },
    },
}
SEEDS = (1, 2)
Three = tuple[Statistics, Statistics, Statistics]
# a text that a known gain touches costs a tenth less; an answer becomes the right one
CHEAPER = 0.9


@dataclass(frozen=True)
class Pair:
    """Statistics (N, S) of both seeds, and of answers as they are after a known gain.

    ``classes`` has the same three for each class or kind of entity, (N, 3) each, if any.
    """

    metric: Metric
    rows: Three
    classes: dict[str, Three]


def read_pairs(dataset: str, home: Path) -> list[Pair]:
    """Score both seeds of a dataset by each metric of its problem, from kept or new trainings."""
    path = home / "pairs" / f"{dataset}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **compare_predictions(dataset))  # type: ignore[arg-type]
    kept = np.load(path)
    found = dict[str, dict[str, Three]]()
    for key in kept.files:
        metric, _, kind = key.partition("/")
        found.setdefault(metric, {})[kind] = tuple(kept[key])
    return [Pair(find_metric(name), kinds.pop(""), kinds) for name, kinds in found.items()]


def compare_predictions(dataset: str) -> dict[str, Statistics]:
    """Train both seeds and measure what they predict for the test split."""
    settings = SETTINGS[dataset]
    tokens = directly(
        tokenize,
        directly(ingest, dataset),
        read_settings({"tokens": settings.get("tokens", {})}).tokens,
    )
    first, second = (predict_test(tokens, settings["training"] | {"seed": seed}) for seed in SEEDS)
    targets = references(tokens)
    found = dict[str, Statistics]()
    for metric in map(find_metric, find_problem(tokens.problem).metrics):
        found[metric.name] = np.stack(
            (costs if metric.is_cost else answers)(metric, first, second, targets)
        )
        for predictions in (first, second, targets) if metric.classes else ():
            for kind, rows in metric.classes(predictions, targets).items():  # type: ignore[misc]
                key = f"{metric.name}/{kind}"
                found[key] = np.concatenate([found.get(key, rows[None][:0]), rows[None]])
    return found


def predict_test(tokens: TokenSet, training: dict[str, Any]) -> list[Any]:
    """Train, and predict each test example."""
    checkpoint = directly(train, tokens, read_settings({"training": training}).training)
    predictions, _ = predict_split(*load_model(checkpoint.folder), tokens)
    return predictions


def answers(
    metric: Metric, first: list[Any], second: list[Any], targets: list[Any]
) -> list[Statistics]:
    """Compute the statistics of both seeds and of the references with the same columns."""
    return np.split(
        metric.statistics([*first, *second, *targets], [*targets, *targets, *targets]), 3
    )


def costs(
    metric: Metric, first: list[Any], second: list[Any], targets: list[Any]
) -> list[Statistics]:
    """Statistics of both seeds, and of the first as it would be if each token cost less."""
    ours = metric.statistics(first, targets)
    theirs = metric.statistics(second, targets)
    return [ours, theirs, ours * [CHEAPER, 1, 1]]
