"""Figures and tables, for MLflow, for the Prefect run page and for the screen."""

import math
from typing import Any

from matplotlib.figure import Figure
from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext

from rnn_models.history import History
from rnn_models.metrics import find_metric
from rnn_models.settings import TrainSettings
from tasks.artifacts import Checkpoint, Promotion, Scores, Snapshot, TokenSet
from tasks.evaluate import best_baseline
from tasks.registry import run_link, version_link


def title(metric: str) -> str:
    """A metric as people write it."""
    return find_metric(metric).title


def clipping_words(settings: TrainSettings) -> str:
    """How gradients are clipped, as people write it."""
    return {
        "norm": f"norm {settings.clip_norm:g}",
        "value": f"value {settings.clip_value:g}",
        "adaptive": f"percentile {settings.clip_percentile:g} of the norms so far",
        "none": "nothing",
    }[settings.clipping]


def training_figure(history: History, settings: TrainSettings) -> Figure:
    """Loss and gradient norm by step, with the clip norm and the best epoch."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    loss, norm = figure.subplots(2, sharex=True)
    steps = [step.step for step in history.steps]
    loss.plot(steps, [step.loss for step in history.steps], linewidth=0.5, color="tab:blue", label="train, per step")
    ends = [epoch.last_step for epoch in history.epochs]
    loss.plot(ends, [epoch.validation_loss for epoch in history.epochs], "o-", color="tab:orange", label="validation")
    loss.axvline(history.best.last_step, color="grey", linestyle=":", label=f"best epoch, {history.best.epoch}")
    loss.set_ylabel("loss, nats")
    loss.legend()
    norm.plot(steps, [step.gradient_norm for step in history.steps], linewidth=0.5, color="tab:green")
    clipped = sum(step.is_clipped for step in history.steps) / len(history.steps)
    allowed = [step.allowed_norm if math.isfinite(step.allowed_norm) else math.nan for step in history.steps]
    norm.plot(steps, allowed, color="tab:red", label=f"clipped by {clipping_words(settings)}: {clipped:.0%} of steps")
    norm.set(yscale="log", xlabel="step", ylabel="gradient norm before clipping")
    norm.legend()
    return figure


def digits(metric: str) -> int:
    """Digits behind the point that are shown: a cost is no percentage, and often a small number."""
    return 3 if find_metric(metric).is_cost else 1


def interval(metric: str, score: dict[str, Any]) -> str:
    """A score with its 95 % interval, as it is shown everywhere."""
    n = digits(metric)
    return f"{score['value']:.{n}f} ({score['low']:.{n}f} to {score['high']:.{n}f})"


def promotion_page(promotion: Promotion, scores: Scores) -> None:
    """Show the decision and the scores on the Prefect run page."""
    rows = [f"| {title(name)} | {interval(name, s)} | {s['signature']} |" for name, s in scores.metrics.items()]
    for name, values in scores.baselines.items():
        rows += [f"| {title(metric)} of {name} | {value:.{digits(metric)}f} | |" for metric, value in values.items()]
    text = "\n".join(
        [
            f"# {promotion.dataset}, version {promotion.version}",
            f"**{promotion.reason}**",
            "",
            "| on the test split | score, 95 % interval | how |",
            "|---|---|---|",
            *rows,
            "",
            f"[MLflow run]({run_link(promotion.mlflow_run)}), [version {promotion.version}]"
            f"({version_link(promotion.dataset, promotion.version)}), decision `{promotion.digest}` of the ledger "
            f"(`refrain history {promotion.dataset}`), test split `{scores.test_split}`",
        ]
    )
    if TaskRunContext.get():  # outside of a flow run there is no page
        key = f"promotion-{promotion.dataset.replace('_', '-').lower()}"
        create_markdown_artifact(text, key=key, description=promotion.reason)


def summary(promotion: Promotion) -> dict[str, Any]:
    """All that is worth a row on the screen after a retraining."""
    scores = _there(Scores.find(promotion.dataset, promotion.scores), "scores")
    checkpoint = _there(Checkpoint.find(promotion.dataset, scores.checkpoint), "checkpoint")
    tokens = _there(TokenSet.find(promotion.dataset, scores.tokens), "tokens")
    snapshot: Snapshot = tokens.snapshot_of()
    baseline, cheap = best_baseline(scores)
    return {
        "dataset": promotion.dataset,
        "problem": scores.problem,
        "rows": tokens.rows,
        "all_train_rows": snapshot.rows["train"],
        "limit": tokens.limit,
        "refused": snapshot.rows.get("refused", 0),
        "metric": scores.headline,
        "metric_title": title(scores.headline),
        "digits": digits(scores.headline),
        "metrics": scores.metrics,
        "baseline": baseline,
        "baseline_score": cheap,
        "epochs": checkpoint.epochs,
        "train_seconds": checkpoint.train_seconds,
        "version": promotion.version,
        "aliases": promotion.aliases,
        "reason": promotion.reason,
        "mlflow_run": promotion.mlflow_run,
        "link": run_link(promotion.mlflow_run),
    }


def _there(noun: Any, what: str) -> Any:
    if noun is None:
        raise ValueError(f"the {what} behind this promotion are gone from the store: retrain")
    return noun
