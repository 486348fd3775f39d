"""Speed and memory of turning texts into ids, against the library's ``encode_batch``.

Ours is the whole path: from a Parquet file to memory-mapped columns, labels
included. The library's is the encoding alone, of texts that lie in a list.
``python -m benchmarks.data.encoding`` prints both.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.lib.figures import Figure, figure
from benchmarks.lib.memory import memory_mib
from data.rows.streams import BATCH_ROWS, Stream, parquet_batches
from data.text.encoder import DEFAULTS, Encoder
from data.text.write_ids import write_ids

COMMAND = "python -m benchmarks.data.encoding"
ROUNDS = 5
NUM_ROWS = {"words": 200_000, "bpe": 100_000}
MEAN_WORDS = {"words": 18, "bpe": 8}
SHAPES = {"words": ("text", "label"), "bpe": ("source", "target")}
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
VOCABULARY = 30_000


@cache
def made_words() -> np.ndarray:
    """Made-up words of one to four syllables."""
    random = np.random.default_rng(0)
    return np.array(
        ["".join(random.choice(SYLLABLES, random.integers(1, 5))) for _ in range(VOCABULARY)],
        dtype=object,
    )


def made_texts(random: np.random.Generator, num: int, mean: int) -> list[str]:
    """Sentences with a full stop, their words as rare as Zipf says."""
    words = made_words()
    weights = 1 / np.arange(1, VOCABULARY + 1)
    lengths = random.poisson(mean, num) + 2
    drawn = words[random.choice(VOCABULARY, lengths.sum(), p=weights / weights.sum())]
    rows = np.split(drawn, np.cumsum(lengths)[:-1])
    return [" ".join(row).capitalize() + "." for row in rows]


def made_tables(kind: str, num: int) -> Iterator[pa.Table]:
    """Rows for a kind, the same every time."""
    random = np.random.default_rng(1)
    for start in range(0, num, BATCH_ROWS):
        size = min(BATCH_ROWS, num - start)
        source = made_texts(random, size, MEAN_WORDS[kind])
        other = (
            made_texts(random, size, MEAN_WORDS[kind])
            if kind == "bpe"
            else ["neg", "pos"] * (size // 2) + ["neg"] * (size % 2)
        )
        yield pa.table([pa.array(source), pa.array(other)], SHAPES[kind])


def write_rows(path: Path, kind: str, num: int) -> None:
    """Write rows as Parquet, as a snapshot has them."""
    schema = pa.schema([(name, pa.string()) for name in SHAPES[kind]])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in made_tables(kind, num):
            writer.write_table(table)


def seconds(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def encode_all(folder: Path, kind: str, encoder: Encoder) -> None:
    """Our whole path."""
    write_ids(folder, "test", parquet_batches(folder / "rows.parquet"), encoder, DEFAULTS[kind])


def measure_kind(kind: str) -> dict[str, float]:
    """Rows per second of both, measured in turns; the ratio is the median of the rounds'."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.parquet", kind, NUM_ROWS[kind])
        encoder = Encoder.build(
            kind, Stream(lambda: parquet_batches(folder / "rows.parquet")), DEFAULTS[kind]
        )
        table = pq.read_table(folder / "rows.parquet")
        columns = [table[role].to_pylist() for role in SHAPES[kind] if role != "label"]
        batches = [
            column[at : at + BATCH_ROWS]
            for column in columns
            for at in range(0, NUM_ROWS[kind], BATCH_ROWS)
        ]
        library = []
        ours = []
        for turn in range(ROUNDS + 1):
            theirs = seconds(
                lambda: [
                    encoder.source.inner.encode_batch(batch, add_special_tokens=False) and None
                    for batch in batches
                ]
            )
            mine = seconds(lambda: encode_all(folder, kind, encoder))
            if turn:  # the first warms caches up
                library.append(theirs)
                ours.append(mine)
    rows = NUM_ROWS[kind]
    ratios = [theirs / mine for theirs, mine in zip(library, ours, strict=True)]
    return {"library": rows / median(library), "ours": rows / median(ours), "ratio": median(ratios)}


def peak_megabytes(kind: str, num: int) -> float:
    """Most memory that a process of its own holds while it encodes so many rows."""
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "rows.parquet", kind, num)
        run = [sys.executable, "-m", "benchmarks.data.encoding", "peak", kind, folder]
        return float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def peak_here(kind: str, folder: Path) -> float:
    """The same of this process, with a vocabulary of the first rows only."""
    encoder = Encoder.build(kind, [next(parquet_batches(folder / "rows.parquet"))], DEFAULTS[kind])
    encode_all(folder, kind, encoder)
    return memory_mib("VmHWM")


def measure() -> dict[str, dict[str, float]]:
    """All that is measured, by kind."""
    found = {kind: measure_kind(kind) for kind in NUM_ROWS}
    for kind, num in NUM_ROWS.items():
        found[kind] |= {
            "peak": peak_megabytes(kind, num),
            "peak of twice the rows": peak_megabytes(kind, 2 * num),
        }
    return found


def figures(found: dict[str, dict[str, float]] | None = None) -> list[Figure]:
    """What is measured as figures with their goals."""
    found = found or measure()
    slower = min(found, key=lambda kind: found[kind]["ratio"])
    fatter = max(
        found, key=lambda kind: found[kind]["peak of twice the rows"] / found[kind]["peak"]
    )
    note = ", ".join(f"{kind} {found[kind]['ratio']:.2f}" for kind in found)
    peaks = [found[fatter]["peak"], found[fatter]["peak of twice the rows"]]
    return [
        figure(
            "encode_vs_tokenizers",
            found[slower]["ratio"],
            unit="of encode_batch's rows per second",
            goal=0.8,
            better="higher",
            command=COMMAND,
            note=f"Parquet to memory-mapped ids against the library's encoding alone; {note}",
        ),
        figure(
            "encode_memory_growth",
            peaks[1] / peaks[0],
            unit="times the peak for twice the rows",
            goal=1.1,
            better="lower",
            command=COMMAND,
            note=f"{fatter}: {peaks[0]:.0f} MB for {NUM_ROWS[fatter]:,} rows, "
            f"{peaks[1]:.0f} MB for twice",
        ),
    ]


def main() -> None:
    """Print the table."""
    print(
        f"{'':<12}{'encode_batch':>14}{'ours':>10}{'ratio':>8}{'peak MB':>10}{'twice the rows':>16}"
    )
    for kind, result in measure().items():
        peaks = f"{result['peak']:>10.0f}{result['peak of twice the rows']:>16.0f}"
        print(
            f"{kind:<12}{result['library']:>14,.0f}{result['ours']:>10,.0f}{result['ratio']:>8.2f}{peaks}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        print(peak_here(sys.argv[2], Path(sys.argv[3])))
    else:
        main()
