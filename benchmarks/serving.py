"""The cost of serving: start of a process, rows a second of ``predict``, growth of its memory.

``python -m benchmarks.serving`` trains a model of each problem shortly, in a
store of its own (names of datasets behind it choose some), starts the process
that a promotion starts some times for each, and lets the task of the flow
answer test rows. The first model also answers N and 4 N rows, each in a
process of its own, whose peaks of memory are compared. All on the machine's two cores.
"""

import json
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import ROOT, Figure, figure, main, require_clean_tree, write
from benchmarks.lib.memory import memory_mib
from refrain.commands.training import token_set
from rnn_models.problem import find_problem
from tasks.evaluate import evaluate
from tasks.inference.file_answers import PredictSettings
from tasks.inference.isolation import run_apart
from tasks.predict import predict_files
from tasks.promotion.parity import golden_requests, golden_rows
from tasks.register import register
from tasks.scoring.raw_rows import raw_rows
from tasks.settings import read_settings
from tasks.store.artifacts import ModelVersion, TokenSet
from tasks.task_states import directly
from tasks.train import train

COMMAND = "python -m benchmarks.serving"
TIMES = 3
# N of the memory, and rows that are held together: several parts for both N and 4 N
MANY_ROWS = 8_192
PART_ROWS = 1_024
# Enough of a training for answers of usual lengths; speed does not depend on how right they are.
DATASETS: dict[str, dict[str, Any]] = {
    "rotten_tomatoes": {"training": {"max_epochs": 2}},
    "msra": {
        "tokens": {"limit": 5_000},
        "training": {"max_epochs": 2, "embedding_size": 100, "hidden_size": 100},
    },
    "tatoeba_en_fr": {
        "tokens": {"limit": 20_000, "vocabulary_size": 4_000},
        "training": {
            "max_epochs": 1,
            "embedding_size": 128,
            "hidden_size": 192,
            "batch_size": 64,
            "learning_rate": 5e-3,
        },
    },
    "irish_tunes": {"training": {"max_epochs": 4}},
}


def made(name: str) -> tuple[ModelVersion, TokenSet, list[dict[str, Any]]]:
    """Train and register a model; what a promotion asks of it."""
    settings = read_settings(DATASETS[name])
    tokens = token_set(name, settings.tokens)
    checkpoint = directly(train, tokens, settings.training)
    scores = directly(evaluate, checkpoint, tokens)
    return directly(register, checkpoint, tokens, scores), tokens, golden_requests(scores)


def cold_starts(
    version: ModelVersion, tokens: TokenSet, parameters: list[dict[str, Any]]
) -> list[float]:
    """Seconds from the start of a process to its first answer, some times."""
    calls = [(golden_rows(tokens), params) for params in parameters]
    runs = [run_apart(version.name, version.version, calls, is_timed=True) for _ in range(TIMES)]
    return [answer.speed["cold_start_seconds"] for answer in runs]


def request_rows(tokens: TokenSet) -> pd.DataFrame:
    """Raw test rows as a file has them."""
    rows = raw_rows(tokens.snapshot_of().table("test"), tokens)
    requested = rows.drop(columns="tokens", errors="ignore").astype(str)
    # Tunes from nothing but their label: what a beginning would save would be no drawing.
    is_continuation = find_problem(tokens.problem).output.is_continuation
    return requested.assign(text="") if is_continuation else requested


def rows_per_second(version: ModelVersion, rows: pd.DataFrame, folder: Path) -> float:
    """How fast the flow's task answers the rows of a file, the load of the model included."""
    source = folder / f"{version.name}.parquet"
    columns = {name: name for name in rows.columns}
    rows.to_parquet(source, index=False)
    started = time.perf_counter()
    report = directly(
        predict_files,
        version,
        str(source),
        str(folder / version.name),
        PredictSettings(columns=columns),
    )
    assert (report.rows, report.refused) == (len(rows), 0)
    return report.rows / (time.perf_counter() - started)


def peak_megabytes(version: ModelVersion, rows: pd.DataFrame, num: int, folder: Path) -> float:
    """Most megabytes of a process that answers ``num`` rows, which are these over and over."""
    source = folder / f"{num}.csv"
    rows.iloc[list(islice(cycle(range(len(rows))), num))].to_csv(source, index=False)
    run = [
        sys.executable,
        "-m",
        "benchmarks.serving",
        "peak",
        version.name,
        version.version,
        str(source),
        *rows.columns,
    ]
    printed = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    report = json.loads(printed.splitlines()[-1])
    assert report["rows"] == num
    return float(report["megabytes"])


def answer_here(name: str, number: str, source: str, *columns: str) -> dict[str, float]:
    """Predict the rows of a file in this process; return their number and the peak megabytes."""
    settings = PredictSettings(columns={column: column for column in columns}, part_rows=PART_ROWS)
    report = directly(
        predict_files, ModelVersion(name, number, "", ""), source, f"{source}-answers", settings
    )
    return {"rows": report.rows, "megabytes": memory_mib("VmHWM")}


def memory_figure(version: ModelVersion, rows: pd.DataFrame, folder: Path) -> Figure:
    """By how much the peak of memory grows with four times the rows."""
    once, more = (peak_megabytes(version, rows, num, folder) for num in (MANY_ROWS, 4 * MANY_ROWS))
    note = (
        f"{version.name}: whole process, {once:.0f} MB for {MANY_ROWS:,} rows, "
        f"{more:.0f} MB for four times as many, in parts of"
    )
    return figure(
        "predict_memory_growth",
        more / once,
        unit="times the peak for four times the rows",
        goal=1.1,
        better="lower",
        command=COMMAND,
        note=f"{note} {PART_ROWS:,}",
    )


def speed_figure(version: ModelVersion, rows: pd.DataFrame, folder: Path) -> Figure:
    """How fast files are answered."""
    return figure(
        f"predict_rows_per_second_{version.name}",
        rows_per_second(version, rows, folder),
        unit="rows/s",
        goal=0,
        better="higher",
        command=COMMAND,
        note=f"{len(rows):,} test rows, Parquet to Parquet, the load of the model included",
    )


def report(item: Figure) -> Figure:
    """The same figure, printed as soon as it is measured."""
    print(
        f"{item.figure:<40}{item.value:>10g}  {item.unit}, goal {item.goal:g}  ({item.note})",
        flush=True,
    )
    return item


def measure(names: list[str]) -> list[Figure]:
    """Measure some datasets."""
    seconds = []
    found = list[Figure]()
    with own_store() as home:
        for name in names:
            version, tokens, parameters = made(name)
            rows = request_rows(tokens)
            seconds += cold_starts(version, tokens, parameters)
            found.append(report(speed_figure(version, rows, home)))
            if name == names[0]:
                found.append(report(memory_figure(version, rows, home)))
    start = statistics.median(seconds)
    spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
    note = (
        f"start of a process to its first answer, median of {len(seconds)}, {spread}; "
        f"{', '.join(names)}"
    )
    return [
        report(
            figure(
                "cold_start_seconds",
                start,
                unit="s",
                goal=10,
                better="lower",
                command=COMMAND,
                note=note,
            )
        ),
        *found,
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        print(json.dumps(answer_here(*sys.argv[2:])))
    else:
        require_clean_tree()  # before minutes of measuring, not only after
        write("promotion", measure(sys.argv[1:] or list(DATASETS)))
        main()
