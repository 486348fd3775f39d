"""The log of a served model: texts and answers as Parquet parts, as of ``refrain predict``.

A request only puts its rows into a list; a thread writes them. Whatever hinders it, requests are
answered, and a warning names the number of rows that are lost.
"""

import fcntl
import logging
import os
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rnn_models.output_kind import OutputKind
from tasks.inference.file_answers import arrow_type
from tasks.inference.prediction_folder import (
    KEY,
    PART,
    PARTIAL,
    TIME,
    check_target,
    key_of_part,
    local_folder,
    write_part,
)
from tasks.inference.rejected_rows import TEXT
from tasks.registry.registered_model import plain

log = logging.getLogger(__name__)
SOURCE = "refrain serve"
LOCK = ".serve.lock"
FLUSH_SECONDS = 60.0
PART_ROWS = 8_192  # a part is written again until it has so many rows
PART_CHARACTERS = 16 * 2**20
MOST_ROWS = 2 * PART_ROWS  # that wait for the thread
MOST_CHARACTERS = 2 * PART_CHARACTERS
FAULTS = (OSError, MemoryError, pa.ArrowException)


@dataclass(frozen=True)
class Answered:
    """The rows of a request with their answers."""

    time: datetime
    texts: Sequence[str]
    answers: pd.DataFrame

    @property
    def num_characters(self) -> int:
        """Characters of all texts."""
        return sum(map(len, self.texts))


@dataclass
class Part:
    """The part that is written again with each flush, until it is full."""

    number: int
    tables: list[pa.Table] = field(default_factory=list)
    num_characters: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the next rows belong to another part."""
        num_rows = sum(table.num_rows for table in self.tables)
        return num_rows >= PART_ROWS or self.num_characters >= PART_CHARACTERS


class PredictionLog:
    """Writes what a model answers into a folder, up to a size; the oldest parts go."""

    def __init__(
        self,
        folder: Path,
        kind: OutputKind,
        about: Mapping[str, str],
        *,
        most_bytes: int,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        """Start the thread.

        Args:
            folder: Of the log, claimed by this process.
            kind: The shape of the answers.
            about: Metadata of each part, such as the model.
            most_bytes: Of all parts together.
            flush_seconds: Between two writes.
        """
        self.folder = folder
        self.kind = kind
        self.about = about
        self.most_bytes = most_bytes
        self.flush_seconds = flush_seconds
        self.waiting: list[Answered] = []
        self.num_rows = 0  # that wait
        self.num_characters = 0
        self.num_lost = 0
        self.is_closed = False
        self.changed = threading.Condition()
        self.part = Part(1 + max(map(_number_of, parts_of(folder)), default=0))
        self.thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self.thread.start()

    def add(self, rows: pd.DataFrame, answers: pd.DataFrame) -> None:
        """Take the rows of a request and their answers; if too many wait, they are lost."""
        made = Answered(datetime.now(UTC), texts_of(rows, len(answers)), answers)
        with self.changed:
            num_rows = self.num_rows + len(made.texts)
            num_characters = self.num_characters + made.num_characters
            if num_rows > MOST_ROWS or num_characters > MOST_CHARACTERS:
                self.num_lost += len(made.texts)
                return
            self.waiting.append(made)
            self.num_rows = num_rows
            self.num_characters = num_characters
            if num_rows >= PART_ROWS or num_characters >= PART_CHARACTERS:
                self.changed.notify()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self.changed:
            self.is_closed = True
            self.changed.notify()
        self.thread.join()

    def _run(self) -> None:
        while True:
            with self.changed:
                if not self.is_closed and self.num_rows < PART_ROWS:
                    self.changed.wait(self.flush_seconds)
                is_last = self.is_closed
                batch = self.waiting
                num_lost = self.num_lost
                self.waiting = []
                self.num_rows = 0
                self.num_characters = 0
                self.num_lost = 0
            if num_lost:
                log.warning("prediction log: %d rows lost: answers came too fast", num_lost)
            if batch:
                self._write(batch)
            if is_last:
                return

    def _write(self, batch: Sequence[Answered]) -> None:
        """Write the current part again with more rows; if that fails, they are lost."""
        if self.part.is_full:
            self.part = Part(self.part.number + 1)
        path = self.folder / f"part-{self.part.number:05d}.parquet"
        try:
            table = pa.concat_tables([self._table(each) for each in batch])
            tables = [*self.part.tables, table]
            self._make_room()
            write_part(pa.concat_tables(tables), path, {**self.about, KEY.decode(): _key()})
        except FAULTS as error:
            num = sum(len(each.texts) for each in batch)
            log.warning("prediction log: %d rows lost: %s: %s", num, path, error)
            return
        self.part.tables = tables
        self.part.num_characters += sum(each.num_characters for each in batch)

    def _table(self, made: Answered) -> pa.Table:
        """Make the columns of a part: time, text, and those of the answers."""
        num = len(made.texts)
        columns = {
            TIME: pa.array([made.time] * num, pa.timestamp("us", tz="UTC")),
            "text": pa.array(made.texts, TEXT),
        }
        for name in made.answers:
            values = [plain(value) for value in made.answers[name]]
            kind = arrow_type(self.kind.columns.get(name), values[0] if values else None)
            columns[str(name)] = pa.array(values, kind)
        return pa.table(columns)

    def _make_room(self) -> None:
        """Remove the oldest parts until the others keep the size."""
        parts = parts_of(self.folder)
        sizes = [path.stat().st_size for path in parts]
        while len(parts) > 1 and sum(sizes) > self.most_bytes:
            parts.pop(0).unlink()
            sizes.pop(0)


def claim(target: str, model: str) -> Path:
    """Make the folder of a log, and hold it for this process and the program that it becomes.

    Raises:
        ValueError: If it holds other files, predictions of another model, or another server's log.
    """
    folder = local_folder(target)
    # The texts are those of strangers, so nobody else reads them.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    theirs = {about.get("refrain.model", "") for about in check_target(folder).values()} - {model}
    if theirs:
        raise ValueError(
            f"{folder} holds predictions of {min(theirs)}, not of {model}: name another folder"
        )
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ValueError(
            f"another refrain serve writes its log to {folder}: name another folder"
        ) from None
    os.set_inheritable(lock, True)
    for path in folder.iterdir():
        if PARTIAL.fullmatch(path.name):
            path.unlink()
    return folder


def parts_of(folder: Path) -> list[Path]:
    """List the parts of a log, the oldest first."""
    paths = (path for path in folder.glob("part-*.parquet") if PART.fullmatch(path.name))
    return [path for path in sorted(paths, key=_number_of) if key_of_part(path)]


def texts_of(rows: pd.DataFrame, num: int) -> list[str]:
    """Give the texts of rows; tokens are joined by spaces."""
    if "tokens" in rows:
        tokens = rows["tokens"].tolist()
        texts = rows["text"].tolist() if "text" in rows else [""] * len(rows)
        pairs = zip(tokens, texts, strict=True)
        return [" ".join(cut) if _is_cut(cut) else str(text) for cut, text in pairs]
    # MLflow makes one row of a body with ``inputs``, which was answered as many.
    found = rows if len(rows) == num else rows.explode("text")
    return [str(text) for text in found["text"]]


def _is_cut(tokens: object) -> bool:
    return isinstance(tokens, list | tuple | np.ndarray)


def _number_of(path: Path) -> int:
    found = PART.fullmatch(path.name)
    return int(found[1]) if found else 0


def _key() -> str:
    """Draw a key of a part: it differs with each write."""
    return uuid.uuid4().hex


def keep_answers(model: Any, into: PredictionLog) -> None:
    """Let a model of MLflow, loaded by its own code, log each request that it answers."""
    inner = model.unwrap_python_model()
    answer = inner.predict

    def predict(context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        answers: pd.DataFrame = answer(context, model_input, params)
        into.add(model_input, answers)
        return answers

    inner.predict = predict
