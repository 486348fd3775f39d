"""The champion's score on new rows with labels, beside its score on its own test split."""

import math
from dataclasses import asdict
from functools import partial
from statistics import NormalDist
from typing import Any

import pyarrow as pa

from rnn_models.evaluation.metric import measure
from rnn_models.problem import find_problem
from tasks.monitoring.drift_measures import Measure
from tasks.promotion.evidence import predict_rows
from tasks.scoring.evaluation import evaluate_predictions, headline_metric
from tasks.store.artifacts import Checkpoint, Scores, TokenSet

NAME = "score"
Z_975 = 1.96  # half of a 95 % interval in standard errors
Z_95 = 1.645


def score_on(rows: pa.Table, version: str, scores: Scores, tokens: TokenSet) -> dict[str, Any]:
    """Score a version on labeled rows, with a 95 % interval, as it was scored on its test split."""
    problem = find_problem(tokens.problem)
    predictions = predict_rows(tokens.dataset, version, rows, tokens)
    targets = rows[problem.sides(rows.column_names)[-1]].to_pylist()
    references = [problem.output.reference(target) for target in targets]
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    is_joined = bool(checkpoint and checkpoint.settings.get("joined_texts"))
    pairs = partial(problem.output.pairs, is_joined=is_joined)
    found = evaluate_predictions(headline_metric(scores), predictions, references, pairs)
    test = scores.metrics[scores.headline]
    return {
        "metric": scores.headline,
        "rows": rows.num_rows,
        "new": asdict(measure(found.metric, found.statistics)),
        "test": {name: test[name] for name in ("value", "low", "high")},
    }


def loss_of(score: dict[str, Any], *, is_cost: bool) -> Measure:
    """Measure by how much the score on new rows is worse; of a cost, in percent of it."""
    new, test = score["new"], score["test"]
    unit = 100 / test["value"] if is_cost and test["value"] else 1.0
    loss = unit * (new["value"] - test["value"] if is_cost else test["value"] - new["value"])
    widths = [(side["high"] - side["low"]) / (2 * Z_975) for side in (new, test)]
    error = max(unit * math.hypot(*widths), 1e-9)
    return Measure(
        name=NAME,
        kind="loss",
        value=loss,
        by_chance=Z_95 * error,
        p_value=1 - NormalDist().cdf(loss / error),
    )
