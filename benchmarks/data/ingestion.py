"""Speed and memory of ingestion, against pyarrow's conversion of CSV to Parquet.

Ours is the whole path of the task: rows read, checked, compared with all
others, split, counted, digested and written. pyarrow's reads and writes, with
the same settings of the writer. ``python -m benchmarks.data.ingestion`` prints both.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.csv
import yaml

from benchmarks.lib.figures import Figure, figure
from benchmarks.lib.memory import memory_mib

COMMAND = "python -m benchmarks.data.ingestion"
ROUNDS = 5
NUM_ROWS = 2_000_000  # and twice as many
PEAK_ROWS = 10_000_000
BATCH_ROWS = 100_000
MEAN_WORDS = 15  # with a label, about 100 bytes
VOCABULARY = 30_000
SYLLABLES = np.array([consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"])
ENTRY = {
    "problem": "sentiment",
    "language": "xx",
    "format": {"kind": "csv"},
    "columns": {"text": "text", "label": "label"},
    "splits": {"validation": 0.1, "test": 0.1},
    "tokenizer": "words",
    "licence": "ours",
    "origin": "made up",
}


def made_words() -> pa.Array:
    """Made-up words of one to four syllables."""
    random = np.random.default_rng(0)
    drawn = random.choice(SYLLABLES, (4, VOCABULARY))
    sizes = random.integers(1, 5, VOCABULARY)
    return pa.array(["".join(drawn[:size, i]) for i, size in enumerate(sizes)])


def made_batch(random: np.random.Generator, words: pa.Array, num: int) -> pa.Table:
    """Sentences with a label, their words as rare as Zipf says."""
    weights = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    sizes = random.poisson(MEAN_WORDS - 4, num) + 4
    indices = np.searchsorted(weights, random.random(sizes.sum()) * weights[-1])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    rows = pa.ListArray.from_arrays(pa.array(offsets), words.take(pa.array(indices)))
    texts = pa.compute.binary_join_element_wise(pa.compute.binary_join(rows, " "), ".", "")
    labels = pa.array(["neg", "pos"]).take(pa.array(random.integers(0, 2, num)))
    return pa.table([pa.compute.utf8_capitalize(texts), labels], ["text", "label"])


def write_csv(path: Path, num: int) -> None:
    """Write so many rows, the same every time."""
    random = np.random.default_rng(1)
    words = made_words()
    schema = pa.schema([("text", pa.string()), ("label", pa.string())])
    options = pa.csv.WriteOptions(quoting_style="needed")
    with pa.csv.CSVWriter(path, schema, write_options=options) as writer:
        for start in range(0, num, BATCH_ROWS):
            writer.write_table(made_batch(random, words, min(BATCH_ROWS, num - start)))


def seconds_and_peak(whose: str, path: Path) -> tuple[float, float]:
    """Measure seconds and megabytes of a process that converts a file in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-m", "benchmarks.data.ingestion", whose, str(path), folder]
        environment = os.environ | {"REFRAIN_HOME": folder}
        printed = subprocess.run(
            run, capture_output=True, text=True, check=True, env=environment
        ).stdout
    seconds, peak = printed.split()[-2:]
    return float(seconds), float(peak)


def convert_ours(path: Path, folder: Path) -> float:
    """Seconds of our whole path, without the start of Python."""
    from tasks.ingestion.catalog_entries import checked_entry
    from tasks.ingestion.snapshot import make_snapshot

    catalog = folder / "catalog.yaml"
    catalog.write_text(
        yaml.safe_dump({"made": ENTRY | {"source": {"kind": "files", "paths": {"all": str(path)}}}})
    )
    entry = checked_entry("made", str(catalog))
    started = time.perf_counter()
    make_snapshot(entry)
    return time.perf_counter() - started


def convert_theirs(path: Path, folder: Path) -> float:
    """Seconds of pyarrow's own conversion: its reader as it is, and a writer like ours."""
    from tasks.ingestion.snapshot_writer import parquet_writer

    started = time.perf_counter()
    with (
        pa.csv.open_csv(path) as reader,
        parquet_writer(folder / "rows.parquet", reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
    return time.perf_counter() - started


def measure() -> dict[str, float]:
    """Rows per second of both in turns, the time of twice the rows, and the peak of many."""
    with tempfile.TemporaryDirectory() as name:
        once = Path(name) / "once.csv"
        twice = Path(name) / "twice.csv"
        write_csv(once, NUM_ROWS)
        write_csv(twice, 2 * NUM_ROWS)
        runs = [
            [
                seconds_and_peak(*run)[0]
                for run in (("theirs", once), ("ours", once), ("ours", twice))
            ]
            for _ in range(ROUNDS + 1)
        ]
    theirs, ours, doubled = zip(*runs[1:], strict=True)  # the first warms caches up
    with tempfile.TemporaryDirectory() as name:
        write_csv(Path(name) / "many.csv", PEAK_ROWS)
        seconds, peak = seconds_and_peak("ours", Path(name) / "many.csv")
    return {
        "pyarrow": NUM_ROWS / median(theirs),
        "ours": NUM_ROWS / median(ours),
        "ratio": median(their / our for their, our in zip(theirs, ours, strict=True)),
        "doubling": median(two / one for two, one in zip(doubled, ours, strict=True)),
        "peak": peak,
        "ours, many": PEAK_ROWS / seconds,
    }


def figures(found: dict[str, float] | None = None) -> list[Figure]:
    """What is measured as figures with their goals."""
    found = found or measure()
    speeds = f"{found['ours']:,.0f} rows per second against {found['pyarrow']:,.0f}"
    return [
        figure(
            "ingest_peak_mb",
            found["peak"],
            unit="MB",
            goal=700,
            better="lower",
            command=COMMAND,
            note=f"whole process, {PEAK_ROWS:,} rows of 100 bytes, at "
            f"{found['ours, many']:,.0f} rows per second",
        ),
        figure(
            "ingest_vs_pyarrow",
            found["ratio"],
            unit="of pyarrow's rows per second",
            goal=0.5,
            better="higher",
            command=COMMAND,
            note=f"CSV to checked, compared and split rows against CSV to Parquet alone; {speeds}",
        ),
        figure(
            "ingest_doubling",
            found["doubling"],
            unit="times the time for twice the rows",
            goal=2.2,
            better="lower",
            command=COMMAND,
            note=f"{2 * NUM_ROWS:,} rows against {NUM_ROWS:,}, median of {ROUNDS}",
        ),
    ]


def main() -> None:
    """Print the table."""
    found = measure()
    print(
        f"{'':<14}{'rows/s':>12}\n{'pyarrow':<14}{found['pyarrow']:>12,.0f}\n{'ours':<14}{found['ours']:>12,.0f}\n"
    )
    for item in figures(found):
        print(f"{item.figure:<20}{item.value:>8g}  {item.unit}, goal {item.goal:g}  ({item.note})")


if __name__ == "__main__":
    if sys.argv[1:2] in (["ours"], ["theirs"]):
        work = {"ours": convert_ours, "theirs": convert_theirs}[sys.argv[1]]
        print(work(Path(sys.argv[2]), Path(sys.argv[3])), memory_mib("VmHWM"))
    else:
        main()
