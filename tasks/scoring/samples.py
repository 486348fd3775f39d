"""Texts that a model says: for a person to look at, and to count those that are what they should be."""

import logging
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from data.errors import RowError
from data.formats.base import all_formats
from rnn_models.evaluation.metrics import find_metric, measure
from tasks.serving.packing import pack_model
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import Checkpoint, TokenSet

log = logging.getLogger(__name__)
SAMPLES = "samples.parquet"
NUM_DRAWN = 100


def write_samples(
    folder: Path, checkpoint: Checkpoint, tokens: TokenSet, labels: list[str]
) -> dict[str, dict[str, Any]]:
    """Let a model say texts from the labels of the first test rows, and count those that are valid where that can be told."""
    with TemporaryDirectory() as packed:
        predictor = Predictor(pack_model(checkpoint, tokens, Path(packed)))
    labels = [*islice(cycle(labels), NUM_DRAWN)]
    texts, scores = predictor.go_on(
        [""] * NUM_DRAWN, [label or None for label in labels], is_strict=False
    )
    table = {"source": labels, "output": texts, "score": scores}
    said = faults_of(texts, tokens.format)
    if said is not None:
        table["faults"] = ["; ".join(found) for found in said]
    pd.DataFrame(table).to_parquet(folder / SAMPLES)
    if said is None:
        return {}
    metric, valid = find_metric("valid_texts"), [not found for found in said]
    measured = asdict(measure(metric, metric.statistics(valid, [True] * NUM_DRAWN)))
    how = f"of {NUM_DRAWN} drawn at temperature {checkpoint.settings['temperature']:g}"
    return {metric.name: measured | {"signature": how}}


def faults_of(texts: list[str], kind: str) -> list[list[str]] | None:
    """What makes each text none of a format; None where that cannot be told."""
    told = all_formats()[kind].faults if kind else None
    if told is None:
        return None
    try:
        return [told(text) for text in texts]
    except RowError as error:
        log.warning("texts are not checked: %s", error)
        return None
