"""Before a version becomes champion: it says what its training said, to the last bit, where this repository is not."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from rnn_models.problem import find_problem
from tasks.inference.isolation import run_apart
from tasks.registry import mlflow_client
from tasks.registry.registered_model import plain
from tasks.scoring.raw_rows import raw_rows
from tasks.serving.packing import pack_model
from tasks.serving.predict_table import LONG_TEXTS, answer
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import Checkpoint, ModelVersion, Scores, TokenSet

log = logging.getLogger(__name__)
NUM_GOLDEN = 64  # test rows that are said again: a batch
GOLDEN_LENGTH = (
    64  # tokens that a text is gone on with, of a model that does; a whole text may take a thousand
)


def check_parity(version: ModelVersion, scores: Scores, tokens: TokenSet) -> dict[str, float]:
    """Let a registered version answer golden rows in a process of its own, and hold it against its training.

    Golden rows are the first of the test split; the training's answers are
    those of its checkpoint, here, with the code that trained it. How large and
    fast the version is goes into its tags.

    Raises:
        ValueError: If one answer differs, with row, expected and found; or if the version does not run.
    """
    rows, asked = golden_rows(tokens), golden_asked(scores)
    expected = [training_says(scores, tokens, rows, params) for params in asked]
    found = run_apart(
        version.name, version.version, [(rows, params) for params in asked], is_timed=True
    )
    for ours, theirs in zip(expected, found.tables, strict=True):
        difference = next(differences(ours, theirs), "")
        if difference:
            raise ValueError(
                f"{version.name} version {version.version} does not say what its training said, so it is not promoted: "
                f"{difference}. Its files in MLflow are not those that were registered, or it was trained on another kind "
                f"of machine: delete the version and retrain"
            )
    write_tags(version, found.speed | {"parity_rows": len(rows)})
    return found.speed


def golden_rows(tokens: TokenSet) -> pd.DataFrame:
    """Raw test rows, few and always the same."""
    return raw_rows(tokens.snapshot_of().table("test").slice(0, NUM_GOLDEN), tokens)[0]


def golden_asked(scores: Scores) -> list[dict[str, Any]]:
    """What is asked of a version; one that foretells texts is asked for these costs too, for they decide."""
    if find_problem(scores.problem).token_nats is None:
        return [LONG_TEXTS]
    return [LONG_TEXTS | {"sample_length": GOLDEN_LENGTH}, LONG_TEXTS | {"judge": True}]


def training_says(
    scores: Scores, tokens: TokenSet, rows: pd.DataFrame, asked: dict[str, Any]
) -> pd.DataFrame:
    """What the checkpoint behind some scores says of raw rows.

    Raises:
        ValueError: If somebody removed it from the store.
    """
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    if checkpoint is None:
        raise ValueError(
            f"checkpoint {scores.checkpoint} of {scores.dataset} is gone from the store: retrain"
        )
    with TemporaryDirectory(prefix="refrain-parity-") as folder:
        return answer(Predictor(pack_model(checkpoint, tokens, Path(folder))), rows, asked)


def differences(expected: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    """Say where two tables differ, floats in their last bit too."""
    if list(expected.columns) != list(found.columns) or len(expected) != len(found):
        shapes = [f"{len(table)} rows of {', '.join(table.columns)}" for table in (expected, found)]
        yield f"expected {shapes[0]}, found {shapes[1]}"
        return
    for column in expected:
        pairs = zip(expected[column].tolist(), found[column].tolist(), strict=True)
        for number, (ours, theirs) in enumerate(pairs, 1):
            # As JSON a float is written with as many digits as tell it from its neighbours.
            want, got = (json.dumps(plain(value), ensure_ascii=False) for value in (ours, theirs))
            if want != got:
                place = next(
                    (i for i, (a, b) in enumerate(zip(want, got, strict=False)) if a != b),
                    min(len(want), len(got)),
                )
                start = max(0, place - 40)
                yield f"row {number}, {column}: expected {want[start : place + 40]}, found {got[start : place + 40]}"


def write_tags(version: ModelVersion, told: dict[str, float]) -> None:
    """Write what was measured to a version's tags and to the log."""
    tags = {f"refrain.{name}": f"{value:.4g}" for name, value in told.items()}
    mlflow_client.set_version_tags(version.name, version.version, tags)
    log.info(
        "version %s says what its training said, %d rows: %.0f rows/s, one row %.1f ms (p99 %.1f), %.1f MB, cold start %.1f s",
        version.version,
        told["parity_rows"],
        told["rows_per_second"],
        told["p50_milliseconds"],
        told["p99_milliseconds"],
        told["megabytes"],
        told["cold_start_seconds"],
    )
