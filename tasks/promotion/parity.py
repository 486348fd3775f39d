"""The parity check: a version answers as its training did, to the last bit."""

import json
import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rnn_models.problem import find_problem
from tasks.inference.isolation import run_apart
from tasks.registry.registered_model import plain
from tasks.registry.version_facts import keep_facts
from tasks.scoring.raw_rows import raw_rows
from tasks.serving.packing import pack_model
from tasks.serving.predict_table import LONG_TEXTS, answer
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import Checkpoint, ModelVersion, Scores, TokenSet
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
NUM_GOLDEN = 64  # test rows that are compared: a batch


def check_parity(version: ModelVersion, scores: Scores, tokens: TokenSet) -> dict[str, float]:
    """Compare the answers of a registered version, in a process of its own, with its checkpoint's.

    Golden rows are the first of the test split; the checkpoint answers them
    here, with the code that trained it. Size and speed of the version go into
    its tags.

    Raises:
        ValueError: If an answer differs, with row, expected and found, or the version fails.
    """
    rows = golden_rows(tokens)
    requests = golden_requests(scores)
    expected = [checkpoint_answers(scores, tokens, rows, params) for params in requests]
    calls = [(rows, params) for params in requests]
    found = run_apart(version.name, version.version, calls, is_timed=True)
    for ours, theirs in zip(expected, found.tables, strict=True):
        difference = next(differences(ours, theirs), "")
        if difference:
            raise ValueError(
                f"{version.name} version {version.version} does not answer as its training did, so "
                f"it is not promoted: {difference}. Its files in MLflow are not those that were "
                "registered, or it was trained on another kind of machine: delete the version and "
                "retrain"
            )
    write_facts(version, found.speed | {"parity_rows": len(rows)})
    return found.speed


def golden_rows(tokens: TokenSet) -> pd.DataFrame:
    """Take raw test rows, few and always the same."""
    return raw_rows(tokens.snapshot_of().table("test").slice(0, NUM_GOLDEN), tokens)


def golden_requests(scores: Scores) -> list[dict[str, Any]]:
    """List the parameters of the requests that a version must answer exactly."""
    requests = find_problem(scores.problem).output.parity_requests
    return [LONG_TEXTS | dict(parameters) for parameters in requests]


def checkpoint_answers(
    scores: Scores, tokens: TokenSet, rows: pd.DataFrame, parameters: dict[str, Any]
) -> pd.DataFrame:
    """Let the checkpoint behind some scores answer raw rows.

    Raises:
        ValueError: If somebody removed it from the store.
    """
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    if checkpoint is None:
        raise ValueError(
            f"checkpoint {scores.checkpoint} of {scores.dataset} is gone from the store: retrain"
        )
    with temporary_folder("parity") as folder:
        predictor = Predictor(pack_model(checkpoint, tokens, folder))
        return answer(predictor, rows, parameters)


def differences(expected: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    """Describe where two tables differ, floats in their last bit too; NaN differs from all."""
    if list(expected.columns) != list(found.columns) or len(expected) != len(found):
        shapes = [f"{len(table)} rows of {', '.join(table.columns)}" for table in (expected, found)]
        yield f"expected {shapes[0]}, found {shapes[1]}"
        return
    for column in expected:
        pairs = zip(expected[column].tolist(), found[column].tolist(), strict=True)
        for number, (ours, theirs) in enumerate(pairs, 1):
            # What the checkpoint answers here has None for a missing value, so NaN is an answer.
            if has_bad_number(ours):
                yield f"row {number}, {column}: expected a finite number, found {ours}"
            # As JSON a float is written with as many digits as tell it from its neighbours.
            want, got = (json.dumps(plain(value), ensure_ascii=False) for value in (ours, theirs))
            if want != got:
                index = next(
                    (i for i, (a, b) in enumerate(zip(want, got, strict=False)) if a != b),
                    min(len(want), len(got)),
                )
                near = slice(max(0, index - 40), index + 40)
                yield f"row {number}, {column}: expected {want[near]}, found {got[near]}"


def has_bad_number(value: Any) -> bool:
    """Whether a cell is or holds NaN or an infinite number."""
    if isinstance(value, dict):
        return any(map(has_bad_number, value.values()))
    if isinstance(value, list | tuple | np.ndarray):
        return any(map(has_bad_number, value))
    return isinstance(value, float | np.floating) and not math.isfinite(value)


def write_facts(version: ModelVersion, measured: dict[str, float]) -> None:
    """Write sizes and speeds to a version's facts and to the log."""
    facts = {f"refrain.{name}": f"{value:.4g}" for name, value in measured.items()}
    keep_facts(version.name, version.version, facts)
    log.info(
        "version %s answers as its training did, %d rows: %.0f rows/s, one row %.1f ms (p99 %.1f), "
        "%.1f MB, cold start %.1f s",
        version.version,
        measured["parity_rows"],
        measured["rows_per_second"],
        measured["p50_milliseconds"],
        measured["p99_milliseconds"],
        measured["megabytes"],
        measured["cold_start_seconds"],
    )
