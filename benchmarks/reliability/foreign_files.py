"""Files that are not ours, in and around the folders that ``refrain predict`` reads and writes.

``python -m benchmarks.reliability.foreign_files`` lets a model answer texts into folders with
other files: named as parts are, as Spark names them, of the texts themselves, links, other formats.
It counts the files of a user that are gone or changed. ``--dry`` writes nothing.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data.grown_store import own_mlflow
from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from tasks.errors.known_errors import known_error
from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import chosen_version, write_predictions
from tests.tasks.served import served

COMMAND = "python -m benchmarks.reliability.foreign_files"
MODEL = "made_sentiment/1"
SPARK = "part-00000-4f0c7a6e-0d5b-4a52-9d2e-3c6f8f1b2a10-c000.snappy.parquet"
NAMES = (
    "part-00001.parquet",
    "part-00007.parquet",
    "part-1.parquet",
    "part-00001.csv",
    "part-00001.partial",
    SPARK,
    "_SUCCESS",
    "notes.txt",
    ".hidden",
    "_refused/part-00001.parquet",
    "_refused/notes.txt",
    "more/part-00001.parquet",
    "_refrain-part-00001.partial",
)


@dataclass
class Outcome:
    """What was tried, and which files of a user were touched or ended in no sentence."""

    num: int = 0
    touched: list[str] = field(default_factory=list)


def put(path: Path, *texts: str) -> Path:
    """Write a file of a user: Parquet by its ending, else text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": [*texts]}), path)
    else:
        path.write_text("text\n" + "\n".join(texts) + "\n")
    return path


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Read content and time of all files below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def attempt(outcome: Outcome, name: str, root: Path, source: str, target: Path) -> None:
    """Predict, with and without overwriting, and compare the files that were there before."""
    before = state_of(root)
    for is_overwriting in (False, True):
        outcome.num += 1
        try:
            write_predictions(
                chosen_version(MODEL),
                source,
                str(target),
                PredictSettings(part_rows=1, overwrite=is_overwriting),
            )
        except Exception as error:
            if known_error(error) is None:
                outcome.touched.append(f"{name}: {type(error).__name__}: {error}")
        now = state_of(root)
        changed = [path for path, state in before.items() if now.get(path) != state]
        outcome.touched += [f"{name}: {path}" for path in changed]


def cases(root: Path) -> Iterator[tuple[str, Path, str, Path]]:
    """Make folders: name of the case, its folder, source and target."""
    for number, name in enumerate(NAMES):
        folder = root / f"target-{number}"
        source = put(folder / "texts" / "a.parquet", "lumo", "sela")
        put(folder / "out" / name, "mine")
        yield f"target holds {name}", folder, str(source), folder / "out"
    for number, name in enumerate(("part-00001.parquet", "part-00002.parquet", SPARK, "a.csv")):
        folder = root / f"same-{number}"
        put(folder / name, "lumo", "sela")
        yield f"target is the source of {name}", folder, str(folder / name), folder
        yield f"target is the source of *, {name}", folder, f"{folder}/*{name[-4:]}", folder
        inner = folder / "deep" / ".."
        yield f"target is a way to the source of {name}", folder, f"{folder}/{name}", inner
        link = root / f"link-{number}"
        link.symlink_to(folder)
        yield f"target is a link to the source of {name}", folder, f"{folder}/{name}", link
        yield f"source is a link of {name}", folder, f"{link}/{name}", folder
    folder = root / "around"
    source = put(folder / "a.parquet", "lumo", "sela")
    put(folder / "b.parquet", "mine")
    yield "target lies beside the texts", folder, str(source), folder / "out"
    yield "target is a file", folder, str(source), folder / "b.parquet"
    yield "target is below a file", folder, str(source), folder / "b.parquet" / "out"


def measure() -> list[Figure]:
    """Try all cases."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name:
        home = {"REFRAIN_HOME": f"{name}/store"}
        with patch.dict(os.environ, home), own_mlflow():
            served("sentiment")
            for case in cases(Path(name).resolve() / "files"):
                attempt(outcome, *case)
    for line in outcome.touched:
        print(f"TOUCHED: {line}")
    return [
        figure(
            "foreign_files_touched",
            len(outcome.touched),
            unit=f"in {outcome.num} predictions",
            goal=0,
            better="lower",
            command=COMMAND,
            note="files of a user that refrain predict removed or changed, or errors that are no "
            "sentence",
        )
    ]


if __name__ == "__main__":
    finish(measure)
