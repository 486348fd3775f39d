"""Texts that a model draws: for a person to look at, and to count the valid ones."""

import logging
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import RowError
from data.formats.base import all_formats
from rnn_models.evaluation.metrics import find_metric
from tasks.scoring.evaluation import Evaluation
from tasks.serving.packing import pack_model
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
SAMPLES = "samples.parquet"
NUM_DRAWN = 100


def write_samples(
    folder: Path, checkpoint: Checkpoint, tokens: TokenSet, labels: list[str]
) -> dict[str, dict[str, Any]]:
    """Draw texts from the labels of the first test rows, and score how many are valid.

    Returns:
        The score by its name; nothing where the format of the texts has no rules.
    """
    with temporary_folder("samples") as packed:
        predictor = Predictor(pack_model(checkpoint, tokens, packed))
    labels = [*islice(cycle(labels), NUM_DRAWN)]
    texts, scores = predictor.continue_texts(
        [""] * NUM_DRAWN, [label or None for label in labels], is_strict=False
    )
    table = {"source": labels, "output": texts, "score": scores}
    faults = faults_of(texts, tokens.format)
    if faults is not None:
        table["faults"] = ["; ".join(found) for found in faults]
    pd.DataFrame(table).to_parquet(folder / SAMPLES)
    if faults is None:
        return {}
    metric = find_metric("valid_texts")
    valid = metric.statistics([not found for found in faults], [True] * NUM_DRAWN)
    how = f"of {NUM_DRAWN} drawn at temperature {checkpoint.settings['temperature']:g}"
    return {metric.name: Evaluation(metric, valid).measured() | {"signature": how}}


def faults_of(texts: list[str], kind: str) -> list[list[str]] | None:
    """List the faults of each text under a format; None where it has no rules for texts."""
    find_faults = all_formats()[kind].faults if kind else None
    if find_faults is None:
        return None
    try:
        return [find_faults(text) for text in texts]
    except RowError as error:
        log.warning("texts are not checked: %s", error)
        return None
