"""Predictions of ``refrain predict`` or ``refrain serve``, beside those on the test split."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.rows.splits import SPLITS
from rnn_models.problem import find_problem
from tasks.inference.prediction_folder import TIME, about_part
from tasks.monitoring.drift_measures import Samples
from tasks.monitoring.new_rows import KNOWN_ROWS
from tasks.scoring.outputs import OUTPUTS
from tasks.scoring.raw_rows import raw_rows
from tasks.store.artifacts import Scores, TokenSet

CONFIDENCE = "confidence"


def logged_samples(folder: Path, scores: Scores, tokens: TokenSet, most: int, seed: int) -> Samples:
    """Read predictions of a folder and those of the test split: texts, answers, confidence.

    Raises:
        ValueError: If the folder has no predictions of this model, or the model continues texts,
            whose predictions have no test split to be compared with.
    """
    kind = find_problem(tokens.problem).output
    if kind.is_continuation:
        raise ValueError(
            f"{tokens.dataset} continues texts, and such predictions cannot be compared: "
            "leave the folder of predictions out"
        )
    names = {"text": "text", kind.column: kind.column}
    names |= {kind.confidence: CONFIDENCE} if kind.confidence else {}
    random = np.random.default_rng(seed)
    logged = _parts(folder, tokens.dataset, most).select(list(names)).rename_columns(names)
    outputs = pd.read_parquet(scores.folder / OUTPUTS)
    columns = {
        "text": raw_rows(tokens.snapshot_of().table("test"), tokens)["text"].tolist(),
        kind.column: [_plain(value) for value in outputs["output"]],
    }
    if kind.confidence:
        columns[CONFIDENCE] = outputs[kind.confidence].astype(float).tolist()
    test = pa.table(columns)
    train = tokens.snapshot_of().table(SPLITS[0]).slice(0, KNOWN_ROWS)
    known = pa.table({"text": raw_rows(train, tokens)["text"].tolist()})
    return Samples(_some(test, most, random), _some(logged, most, random), known)


def _parts(folder: Path, model: str, most: int) -> pa.Table:
    """Read all parts; of a served model, whose rows have a time, only the newest rows."""
    paths = sorted(folder.glob("part-*.parquet"))
    theirs = next((about_part(path).get("refrain.model", "") for path in reversed(paths)), "")
    if theirs != model:
        found = f"those of {theirs}" if theirs else "none"
        raise ValueError(
            f"{folder}: expected predictions of {model}, which refrain predict or refrain serve "
            f"writes, got {found}"
        )
    tables: list[pa.Table] = []
    for path in reversed(paths):
        with suppress(FileNotFoundError):  # a served model removes its oldest parts
            tables.append(pq.read_table(path))
        is_log = bool(tables) and TIME in tables[0].column_names
        if is_log and sum(table.num_rows for table in tables) >= most:
            break
    whole = pa.concat_tables(reversed(tables), promote_options="default")
    return whole.sort_by([(TIME, "descending")]).slice(0, most) if is_log else whole


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _some(table: pa.Table, most: int, random: np.random.Generator) -> pa.Table:
    return table.take(pa.array(np.sort(random.permutation(table.num_rows)[:most])))
