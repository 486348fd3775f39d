"""Regression: many to one number. An encoder reads a text, and one number is computed from it.

Targets are standardized: the loss is that of a mean of 0 and a deviation of 1.
B sequences, T time steps, N examples, S statistics, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from rnn_models.batching.batch import Batch, Examples
from rnn_models.decoding.predict import predict_all
from rnn_models.evaluation.baseline import Baseline
from rnn_models.evaluation.metric import Metric, Statistics
from rnn_models.layers.pooled_encoder import PooledEncoder
from rnn_models.output_kind import (
    Decoder,
    Input,
    OutputKind,
    Predictions,
    Request,
    ServedModel,
)
from rnn_models.problem import Loss, Problem
from rnn_models.settings import TrainSettings


def loss(model: nn.Module, batch: Batch) -> Loss:
    """Sum the squared errors of the examples."""
    predictions = model(batch.source, batch.source_lengths)[:, 0]  # (B,)
    errors = nn.functional.mse_loss(predictions, batch.target[:, 0], reduction="sum")
    return Loss(errors, len(batch), errors.detach())


def predict(model: nn.Module, batch: Batch) -> list[float]:
    """Predict a standardized number for each example."""
    numbers: list[float] = model(batch.source, batch.source_lengths)[:, 0].float().tolist()
    return numbers


def pearson_statistics(hypotheses: Sequence[float], references: Sequence[float]) -> Statistics:
    """Give the moments of each example whose sums make Pearson's correlation, (N, 6).

    Both sides are centered first, which does not change a correlation: squares
    of large numbers that are close to one another would lose all digits.
    """
    x = np.asarray(hypotheses, dtype=np.float64)
    y = np.asarray(references, dtype=np.float64)
    x = x - x.mean()
    y = y - y.mean()
    return np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])


def pearson(sums: Statistics) -> Statistics:
    """Compute Pearson's correlation in percent of (R, 6); 0 where one side does not vary."""
    num, x, y, xx, yy, xy = sums.T
    # Rounding may make a variance negative, and a correlation larger than 1.
    spread = np.maximum(num * xx - x * x, 0) * np.maximum(num * yy - y * y, 0)
    covariance = num * xy - x * y
    found: Statistics = 100 * covariance / np.sqrt(np.where(spread > 0, spread, 1))
    return np.where(spread > 0, found.clip(-100, 100), 0.0)


def absolute_errors(hypotheses: Sequence[float], references: Sequence[float]) -> Statistics:
    """Give the absolute error of each example and a count of one, (N, 2)."""
    errors = np.abs(np.asarray(hypotheses, np.float64) - np.asarray(references, np.float64))
    return np.column_stack([errors, np.ones(len(errors))])


def mean_error(sums: Statistics) -> Statistics:
    """Compute the mean absolute error of (R, 2)."""
    errors: Statistics = sums[:, 0] / sums[:, 1]
    return errors


def mean(train: Examples, test: Examples) -> list[list[float]]:
    """Predict the mean of the training numbers for everything."""
    return [[float(train.target.ids.mean(dtype=np.float64))]] * len(test)


def decode(decoder: Decoder, output: float, row: Any) -> float:
    """Undo the standardization of a number."""
    number: float = decoder.decode([output])
    return number


def predictions_of(
    problem: Problem,
    model: nn.Module,
    examples: Examples,
    decode_all: Callable[[list[Any]], list[Any]],
) -> Predictions:
    """Predict all examples; the table of outputs shows the numbers."""
    numbers = decode_all(predict_all(problem, model, examples))
    return numbers, {"output": numbers}


def answer(served: ServedModel, request: Request) -> dict[str, list[Any]]:
    """Give the number of each text."""
    outputs = served.outputs(request.rows)
    pairs = zip(outputs, request.rows, strict=True)
    return {"score": [served.decode(output, row) for output, row in pairs]}


def render(row: Mapping[str, Any]) -> list[str]:
    """Write the number."""
    return [f"{row['score']:.6g}"]


SCORE = OutputKind(
    column="score",
    inputs={"text": Input(str)},
    columns={"score": float},
    answer=answer,
    render=render,
    confidence="",
    predictions=predictions_of,
    reference=float,
    decode=decode,
    ids=lambda output: [output],
    from_ids=lambda ids, labels: ids[0],
    shape="a text in, one number out (many to one)",
    limit="It gives a number to any text, also to one that is unlike all training texts.",
    architecture=lambda settings: f"pooling {settings['pooling'].replace('_', ' and ')}",
)


PROBLEM = Problem(
    name="regression",
    rows=("text", "score"),
    unit="example",
    metrics=("pearson", "mean_absolute_error"),
    baselines=("mean",),
    own_metrics=(
        Metric("pearson", "Pearson correlation", pearson_statistics, pearson),
        Metric(
            "mean_absolute_error", "mean absolute error", absolute_errors, mean_error, is_cost=True
        ),
    ),
    own_baselines=(Baseline(name="mean", predict=mean, num_learnt=lambda train: 1),),
    # Those of sentiment, which reads texts of the same kind, without smoothed labels.
    defaults=TrainSettings(
        encoder="gru",
        embedding_size=200,
        hidden_size=100,
        dropout=0.5,
        token_dropout=0.25,
        average_epochs=3,
        max_epochs=8,
        learning_rate=1e-3,
        batch_size=32,
    ),
    build=PooledEncoder,
    loss=loss,
    predict=predict,
    output=SCORE,
)
