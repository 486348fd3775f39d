"""Predictions of a checkpoint and of the baselines for a split, as metrics take them."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from data.text.encoder import Encoder
from rnn_models.evaluation.baselines import find_baseline
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import Problem, find_problem
from tasks.store.artifacts import Scores, TokenSet
from tasks.store.token_sets import streams_of

STATISTICS = "statistics.npz"
BASELINES = "baselines.npz"
OUTPUTS = "outputs.parquet"


def side(tokens: TokenSet, index: int, split: str) -> list[Any]:
    """Read one side of a split as the publisher wrote it, in the order of the examples.

    A side that the rows do not have is all empty texts. Validation rows with a
    label that no training row has are left out, as in the examples.
    """
    table = tokens.snapshot_of().table(split)
    names = ("", *find_problem(tokens.problem).sides(table.column_names))[-2:]
    if split == "validation" and tokens.sizes["labels"]:
        table = table.filter(has_known_labels(table[names[1]], tokens.sizes["labels"]))
    column: list[Any] = table[names[index]].to_pylist() if names[index] else [""] * table.num_rows
    return column


def has_known_labels(column: pa.ChunkedArray, labels: Sequence[str]) -> pa.Array:
    """Mark the rows whose label or tags are all known."""
    known = set(labels)
    values = column.to_pylist()
    return pa.array([{*([row] if isinstance(row, str) else row)} <= known for row in values])


def sources(tokens: TokenSet, split: str = "test") -> list[Any]:
    """Read the sources of a split."""
    return side(tokens, 0, split)


def references(tokens: TokenSet, split: str = "test") -> list[Any]:
    """Read the references of a split, as a metric takes them."""
    read = find_problem(tokens.problem).output.reference
    return [read(value) for value in side(tokens, 1, split)]


def predict_split(
    problem: Problem, model: Any, tokens: TokenSet, split: str = "test"
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Predict all examples of a split.

    Returns:
        The predictions as a metric takes them, and the columns of the table of outputs.
    """
    encoder = Encoder.load(tokens.folder)
    rows = sources(tokens, split)
    kind = problem.output

    def decode(outputs: list[Any]) -> list[Any]:
        pairs = zip(outputs, rows, strict=True)
        return [kind.decode(encoder, output, row) for output, row in pairs]

    return kind.predictions(problem, model, tokens.examples(split), decode)


def predict_baseline(
    problem: Problem, tokens: TokenSet, name: str, split: str = "test"
) -> list[Any]:
    """Predict all rows of a split with a baseline that learns from the training split."""
    baseline = find_baseline(name)
    if baseline.reads_texts:
        return baseline.predict(*training_texts(tokens), sources(tokens, split))
    targets = baseline.predict(tokens.examples("train"), tokens.examples(split))
    return problem.output.decode_targets(Encoder.load(tokens.folder), targets)


def best_baseline(scores: Scores) -> tuple[str, float]:
    """Give name and test score of the baseline that was best on the validation split.

    Scores that do not name it are older; then it is the best on the test split.
    """
    gain = find_metric(scores.headline).gain
    best = max(
        scores.baselines, key=lambda name: gain(scores.baselines[name][scores.headline], 0.0)
    )
    name = scores.baseline or best
    return name, scores.baselines[name][scores.headline]


def training_texts(tokens: TokenSet) -> tuple[list[Any], list[Any]]:
    """Read both sides of the training rows that the limit allows, as the publisher wrote them."""
    snapshot = tokens.snapshot_of()
    sides = find_problem(tokens.problem).sides(snapshot.table("test").column_names)
    tables = list(streams_of(snapshot, tokens.limit, sides)["train"])
    first, second = ([row for table in tables for row in table[side].to_pylist()] for side in sides)
    return first, second
