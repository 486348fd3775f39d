"""One run of ``benchmarks.quality``: the line as far as its scores, and how it learnt."""

import json
import math
from typing import Any

import pandas as pd
from prefect.client.schemas.objects import State
from sacrebleu.metrics.bleu import BLEU

from benchmarks.quality.protocols import Row
from rnn_models.evaluation.metric import Metric, measure
from rnn_models.evaluation.metrics import METRICS
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint, Scores
from tasks.tokenize import tokenize
from tasks.train import train


def noun(made: Any) -> Any:
    """What a task gives, whether it made it or found it."""
    return made.data if isinstance(made, State) else made


def curve(checkpoint: Checkpoint) -> str:
    """A line for each epoch."""
    epochs = json.loads((checkpoint.folder / "history.json").read_text())["epochs"]
    lines = ["epoch  minutes  train loss  validation loss  validation score"]
    minutes = 0.0
    for epoch in epochs:
        minutes += epoch["seconds"] / 60
        score = "" if epoch["validation_score"] is None else f"{epoch['validation_score']:.2f}"
        losses = f"{epoch['train_loss']:>12.3f}{epoch['validation_loss']:>17.3f}"
        lines.append(f"{epoch['epoch']:>5}{minutes:>9.1f}{losses}{score:>18}")
    return "\n".join(lines)


def tokenised_bleu() -> Metric:
    """BLEU over the tokens as the publisher cut them."""
    from_ours = METRICS["bleu"]
    bleu = BLEU(tokenize="none")

    def rows(hypotheses: Any, references: Any) -> Any:
        return pd.DataFrame(
            bleu._extract_corpus_statistics(list(hypotheses), [list(references)])
        ).to_numpy(float)

    return Metric(
        "tokenised_bleu", "BLEU", rows, from_ours.score, lambda: str(bleu.get_signature())
    )


def scored(row: Row, scores: Scores) -> dict[str, float]:
    """The score of the row's protocol with its interval."""
    if row.metric == "nats_per_character":
        bits = scores.metrics["bits_per_character"]
        return {key: bits[key] * math.log(2) for key in ("value", "low", "high")}
    if row.metric != "tokenised_bleu":
        found = scores.metrics[row.metric]
        return {key: found[key] for key in ("value", "low", "high")}
    outputs = pd.read_parquet(scores.folder / "outputs.parquet")
    metric = tokenised_bleu()
    score = measure(metric, metric.statistics(outputs.output.tolist(), outputs.reference.tolist()))
    return {"value": score.value, "low": score.low, "high": score.high}


def run(
    row: Row, seed: int, catalogs: str, *, minutes: float | None, limit: int | None
) -> dict[str, Any] | None:
    """Make a run and print how it learnt; None if it was cut short."""
    is_short = minutes is not None or limit is not None
    tokens = dict(row.settings.get("tokens", {}))
    training = dict(row.settings.get("training", {})) | {"seed": seed}
    if minutes is not None:
        training["max_minutes"] = minutes
    settings = read_settings(
        {"tokens": tokens | ({"limit": limit} if limit else {}), "training": training}
    )
    snapshot = noun(ingest.fn(row.dataset, catalogs))
    made = noun(tokenize.fn(snapshot, settings.tokens, catalogs))
    checkpoint = noun(train.fn(made, settings.training))
    learnt = curve(checkpoint)
    print(learnt)
    if is_short:
        print("cut short: no test row was looked at, no figure is left")
        return None
    found = scored(row, noun(evaluate.fn(checkpoint, made)))
    minutes = checkpoint.train_seconds / 60
    return {
        "score": found["value"],
        "low": found["low"],
        "high": found["high"],
        "minutes": minutes,
        "curve": learnt,
    }
