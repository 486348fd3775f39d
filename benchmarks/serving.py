"""What serving costs: the start of a champion's process, and how many rows a second the flow ``predict`` answers.

``python -m benchmarks.serving`` trains a model of each problem shortly, in a
store of its own (names of datasets behind it choose some), starts the process
that a promotion starts five times for each, and lets the task of the flow
answer test rows. Both are of the machine's two cores.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figure, figure, main, write
from benchmarks.real_sets import own_store
from tasks.apart import run_apart
from tasks.artifacts import ModelVersion, TokenSet
from tasks.evaluate import evaluate
from tasks.parity import golden_asked, golden_rows
from tasks.predictions import PredictSettings, predict_files
from tasks.ready import token_set
from tasks.register import raw_rows, register
from tasks.settings import read_settings
from tasks.states import directly
from tasks.train import train

COMMAND = "python -m benchmarks.serving"
TIMES = 5
# Enough of a training for answers of usual lengths; speed does not depend on how right they are.
DATASETS: dict[str, dict[str, Any]] = {
    "rotten_tomatoes": {"training": {"max_epochs": 2}},
    "msra": {"tokens": {"limit": 5_000}, "training": {"max_epochs": 2, "embedding_size": 100, "hidden_size": 100}},
    "tatoeba_en_fr": {
        "tokens": {"limit": 50_000, "vocabulary_size": 4_000},
        "training": {"max_epochs": 1, "embedding_size": 128, "hidden_size": 192, "batch_size": 64, "learning_rate": 5e-3},
    },
    "irish_tunes": {"training": {"max_epochs": 4}},
}


def made(name: str) -> tuple[ModelVersion, TokenSet, list[dict[str, Any]]]:
    """Train and register a model; what a promotion asks of it."""
    settings = read_settings(DATASETS[name])
    tokens = token_set(name, settings.tokens)
    checkpoint = directly(train, tokens, settings.training)
    scores = directly(evaluate, checkpoint, tokens)
    return directly(register, checkpoint, tokens, scores), tokens, golden_asked(scores)


def cold_starts(version: ModelVersion, tokens: TokenSet, asked: list[dict[str, Any]]) -> list[float]:
    """Seconds from the start of a process to its first answer, some times."""
    calls = [(golden_rows(tokens), params) for params in asked]
    runs = [run_apart(version.name, version.version, calls, is_timed=True) for _ in range(TIMES)]
    return [said.speed["cold_start_seconds"] for said in runs]


def rows_per_second(version: ModelVersion, tokens: TokenSet, folder: Path) -> tuple[float, int]:
    """How fast the flow's task answers the test rows of a file, the load of the model included, and their number."""
    rows, target = raw_rows(tokens.snapshot_of().table("test"), tokens)
    asked = rows.drop(columns="tokens", errors="ignore").astype(str)
    if target == "text":  # tunes from nothing but their label: what a beginning would save would be no drawing
        asked["text"] = ""
    source = folder / f"{version.name}.parquet"
    pq.write_table(pa.Table.from_pandas(asked, preserve_index=False), source)
    columns = {name: name for name in asked.columns}
    started = time.perf_counter()
    told = directly(predict_files, version, str(source), str(folder / version.name), PredictSettings(columns=columns))
    return told.rows / (time.perf_counter() - started), told.rows


def measure(names: list[str]) -> list[Figure]:
    """Measure some datasets."""
    seconds, found = [], []
    with own_store() as home:
        for name in names:
            version, tokens, asked = made(name)
            seconds += cold_starts(version, tokens, asked)
            speed, num = rows_per_second(version, tokens, home)
            note = f"{num:,} test rows, Parquet to Parquet, the load of the model included"
            found.append(
                figure(
                    f"predict_rows_per_second_{name}", speed, unit="rows/s", goal=0, better="higher", command=COMMAND, note=note
                )
            )
    start, spread = statistics.median(seconds), f"{min(seconds):.1f} to {max(seconds):.1f}"
    note = f"start of a process to its first answer, median of {len(seconds)}, {spread}; {', '.join(names)}"
    return [figure("cold_start_seconds", start, unit="s", goal=10, better="lower", command=COMMAND, note=note), *found]


if __name__ == "__main__":
    write("promotion", measure(sys.argv[1:] or list(DATASETS)))
    main()
