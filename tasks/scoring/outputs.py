"""What a checkpoint and the baselines predict for a split, as metrics take it."""

import math
from typing import Any

import numpy as np

from data.text.encoder import Encoder
from rnn_models.decoding.predict import predict_all
from rnn_models.evaluation.baselines import TEXT_BASELINES, find_baseline
from rnn_models.evaluation.metrics import Metric, find_metric
from rnn_models.problem import Problem, find_problem
from tasks.store.artifacts import Scores, TokenSet
from tasks.store.token_sets import streams_of

STATISTICS = "statistics.npz"
BASELINES = "baselines.npz"
OUTPUTS = "outputs.parquet"


def side(tokens: TokenSet, place: int, split: str) -> list[Any]:
    """One side of a split as the publisher wrote it, in the order of the examples; none of a side that is not there."""
    table = tokens.snapshot_of().table(split)
    names = ("", *find_problem(tokens.problem).sides(table.column_names))[-2:]
    column: list[Any] = table[names[place]].to_pylist() if names[place] else [""] * table.num_rows
    return column


def sources(tokens: TokenSet, split: str = "test") -> list[Any]:
    """What goes in."""
    return side(tokens, 0, split)


def references(tokens: TokenSet, split: str = "test") -> list[Any]:
    """What should come out."""
    return side(tokens, 1, split)


def say_all(
    problem: Problem, model: Any, tokens: TokenSet, split: str = "test"
) -> tuple[list[Any], dict[str, list[Any]]]:
    """What a model says of each example of a split, as a metric takes it, and what to show of it."""
    return (foretold if problem.token_nats else answered)(problem, model, tokens, split)


def answered(
    problem: Problem, model: Any, tokens: TokenSet, split: str
) -> tuple[list[Any], dict[str, list[Any]]]:
    """What a model answers to each source."""
    encoder, outputs = (
        Encoder.load(tokens.folder),
        predict_all(problem, model, tokens.examples(split)),
    )
    rows = sources(tokens, split)
    said = [
        encoder.decode(o.ids, copied=o.copied, source=row)
        for o, row in zip(outputs, rows, strict=True)
    ]
    return said, {"output": said, "score": [output.score for output in outputs]}


def foretold(
    problem: Problem, model: Any, tokens: TokenSet, split: str
) -> tuple[list[Any], dict[str, list[Any]]]:
    """How well a model foresees each text, in nats per token, and the mean probability of a token to show."""
    assert problem.token_nats
    nats = problem.token_nats(model, tokens.examples(split))
    return nats, {"score": [math.exp(-float(costs.mean())) for costs in nats]}


def paired(
    problem: Problem, said: list[Any], true: list[Any], *, is_joined: bool
) -> tuple[list[Any], list[Any]]:
    """What is said and what is true, as a metric takes it: texts that go on, each with the one before, are one text."""
    return (
        ([np.concatenate(said)], ["\n".join(true)])
        if is_joined and problem.token_nats
        else (said, true)
    )


def score_of(metric: Metric, said: list[Any], true: list[Any]) -> float:
    """One score of all examples together."""
    return float(metric.score(metric.statistics(said, true).sum(0, keepdims=True))[0])


def cheaply(problem: Problem, tokens: TokenSet, name: str, split: str = "test") -> list[Any]:
    """What a baseline that learns from the training split answers to each row of a split."""
    if name in TEXT_BASELINES:
        return list(TEXT_BASELINES[name](*training_texts(tokens), sources(tokens, split)))
    encoder, answers = (
        Encoder.load(tokens.folder),
        find_baseline(name)(tokens.examples("train"), tokens.examples(split)),
    )
    return answers if problem.token_nats else [encoder.decode(ids) for ids in answers]


def best_baseline(scores: Scores) -> tuple[str, float]:
    """Name and test score of the baseline that was best on the validation split.

    In scores of before that was asked it is the best on the test split.
    """
    gain = find_metric(scores.headline).gain
    best = max(
        scores.baselines, key=lambda name: gain(scores.baselines[name][scores.headline], 0.0)
    )
    name = scores.baseline or best
    return name, scores.baselines[name][scores.headline]


def training_texts(tokens: TokenSet) -> tuple[list[Any], list[Any]]:
    """Both sides of the training rows as the publisher wrote them, of those that the limit allows."""
    snapshot = tokens.snapshot_of()
    sides = find_problem(tokens.problem).sides(snapshot.table("test").column_names)
    tables = list(streams_of(snapshot, tokens.limit, sides)["train"])
    first, second = ([row for table in tables for row in table[side].to_pylist()] for side in sides)
    return first, second


def headline_metric(scores: Scores) -> Metric:
    """The metric that decides, cutting texts as it did for these scores."""
    return find_metric(scores.headline, tokenizer=scores.bleu_tokenizer)
