"""The MLflow run of a training once its version is decided on: its description and its figures.

Each problem has the figures that make sense for the shape of its answers.
"""

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd

from data.text.encoder import Encoder
from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.output_kind import OutputKind
from rnn_models.problem import find_problem
from tasks.figures.answers import (
    confusion_figure,
    precision_recall_figure,
    reliability_figure,
)
from tasks.figures.models import attention_figure, sampled_maps, transitions_figure
from tasks.figures.scores import (
    SnapshotScore,
    classes_figure,
    learning_curve_figure,
    parts_figure,
)
from tasks.figures.style import drawn
from tasks.figures.tunes import tune_figure
from tasks.pages.scores import digits, interval, title
from tasks.registry.run_description import describe_run
from tasks.registry.training_log import trained_words
from tasks.registry.training_run import log_svg
from tasks.registry.versions import SCORES, newest_infos
from tasks.scoring.outputs import OUTPUTS, best_baseline
from tasks.scoring.samples import SAMPLES
from tasks.scoring.slices import split_facts
from tasks.store.artifacts import Checkpoint, Promotion, Scores, TokenSet

log = logging.getLogger(__name__)
MOST_SNAPSHOTS = 30  # of a learning curve, the newest
Figures = Iterator[tuple[str, str]]  # name and SVG


def keep_run_page(scores: Scores, tokens: TokenSet, promotion: Promotion) -> None:
    """Describe the run of a training with its results, and draw its figures."""
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    assert checkpoint, "a version is promoted by those who have its checkpoint"
    run_id = checkpoint.mlflow_run  # that of the scores may have been deleted and logged again
    describe_run(run_id, tokens, checkpoint.settings, result_lines(scores, checkpoint, promotion))
    for name, figure in run_figures(scores, tokens, checkpoint, promotion):
        log_svg(run_id, figure, f"figures/{name}.svg")


def result_lines(scores: Scores, checkpoint: Checkpoint, promotion: Promotion) -> list[str]:
    """Describe decision, scores and training, a sentence each, in Markdown."""
    metric = scores.headline
    name, value = best_baseline(scores)
    return [
        f"**Version {promotion.version}: {promotion.reason}**",
        f"{title(metric)} on the test split {interval(metric, scores.metrics[metric])}; "
        f"{name.replace('_', ' ')} {value:.{digits(metric)}f}.",
        trained_words(checkpoint),
    ]


def run_figures(
    scores: Scores, tokens: TokenSet, checkpoint: Checkpoint, promotion: Promotion
) -> Figures:
    """Draw the figures of scores, of answers and of the model, as far as they make sense."""
    kind = find_problem(scores.problem).output
    yield from score_figures(scores, tokens, promotion)
    yield from answer_figures(scores, kind)
    yield from model_figures(checkpoint, tokens, kind)
    if kind.is_continuation:
        yield from tune_figures(scores)


def score_figures(scores: Scores, tokens: TokenSet, promotion: Promotion) -> Figures:
    """Draw classes, other parts of the test split, and the score over snapshots."""
    kind = find_problem(scores.problem).output
    metric = scores.headline
    slices = split_facts(scores, tokens).slices
    prefix = f"{kind.classes_title} "
    classes = [each for each in slices if kind.classes_title and each.name.startswith(prefix)]
    if classes:
        champion = {f"{prefix}{each['name']}": each["theirs"] for each in promotion.classes}
        yield "classes", drawn(classes_figure, classes, champion, kind.classes_title)
    parts = [each for each in slices if each not in classes]
    if parts:
        whole = scores.metrics[metric]["value"]
        yield "parts", drawn(parts_figure, parts, whole, title(metric))
    found = snapshot_scores(scores.dataset, metric)
    if len(found) > 1:
        yield "snapshots", drawn(learning_curve_figure, found, title(metric))


def answer_figures(scores: Scores, kind: OutputKind) -> Figures:
    """Draw what the answers of a classifier or tagger are worth."""
    if not kind.classes_title:
        return
    outputs = read_outputs(scores)
    if not kind.has_entities:
        yield "confusion", drawn(confusion_figure, outputs)
    if "score" in outputs:
        yield "reliability", drawn(reliability_figure, outputs)
        if not kind.has_entities:
            yield "precision_recall", drawn(precision_recall_figure, outputs)


def read_outputs(scores: Scores) -> pd.DataFrame:
    """Read the answers to the test split, beside their references."""
    return pd.read_parquet(scores.folder / OUTPUTS)


def model_figures(checkpoint: Checkpoint, tokens: TokenSet, kind: OutputKind) -> Figures:
    """Draw the attention of a decoder or the transitions of a CRF."""
    if not (kind.is_decoded or kind.has_entities):
        return
    problem, model = load_model(checkpoint.folder)
    if kind.has_entities:
        yield "transitions", drawn(transitions_figure, model)
    maps: list[Any] = sampled_maps(problem, model, tokens) if kind.is_decoded else []
    if maps:
        yield "attention", drawn(attention_figure, maps, Encoder.load(tokens.folder))


def tune_figures(scores: Scores) -> Figures:
    """Draw the first valid tune of the samples, where they are tunes."""
    path = scores.folder / SAMPLES
    if not path.exists():
        return
    samples = pd.read_parquet(path)
    valid = samples[samples["faults"] == ""] if "faults" in samples else samples[:0]
    if len(valid):
        yield "tune", drawn(tune_figure, valid["output"].iloc[0], "The first valid tune of samples")


def snapshot_scores(name: str, metric: str) -> list[SnapshotScore]:
    """Read the score of the newest version of each snapshot, as far as the store has them."""
    found: dict[str, SnapshotScore] = {}
    for info in newest_infos(name, MOST_SNAPSHOTS):
        scores = Scores.find(name, info.tags.get(SCORES, ""))
        tokens = TokenSet.find(name, scores.tokens) if scores else None
        if scores is None or tokens is None or metric not in scores.metrics:
            continue
        score = scores.metrics[metric]
        bounds = {key: score[key] for key in ("value", "low", "high")}
        found.setdefault(
            tokens.snapshot,
            SnapshotScore(str(info.version), tokens.snapshot, tokens.rows["train"], **bounds),
        )
    return list(found.values())
