"""Files of raw rows in, Parquet files of answers out, part by part: no more than a part is held, and a part that is there stays.

A folder of answers is read as one table: ``part-*.parquet`` stand in it, the
refused rows apart in ``_refused``. What a part was made of stands in its
metadata, so a flow run that was killed, or is started again, goes on where it was.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import ConfigDict

from data.errors import RowError, nearest
from data.format import KIND, RAW, REASON, ROW, all_formats
from data.source import Access, Piece
from data.sources.files import Files
from tasks.artifacts import ModelVersion, digest, home
from tasks.code_digest import code_digest
from tasks.models import Loaded, find_model, plain
from tasks.registry import client
from tasks.secrets import Secrets
from tasks.states import unchanged
from tasks.versions import SCORES

log = logging.getLogger(__name__)
FORMATS = {"csv": "csv", "tsv": "tsv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet"}
PACKED = ("gz", "bz2", "xz", "zst")
REFUSED, FILE, KEY = "_refused", "file", b"refrain.part"
DIGESTS = (SCORES, "refrain.checkpoint", "refrain.tokens", "refrain.test_split")  # tags of a version
TEXT, NUMBER, PLACE = pa.string(), pa.float64(), pa.int64()
# Types of what models say; the labels of probabilities are each model's own.
TYPES: dict[str, pa.DataType] = {
    "label": TEXT, "score": NUMBER, "tags": pa.list_(TEXT), "target": TEXT, "text": TEXT, "continuation": TEXT,
    "entities": pa.list_(
        pa.struct({"kind": TEXT, "text": TEXT, "start": PLACE, "stop": PLACE, "confidence": NUMBER})
    ),
    "n_best": pa.list_(pa.struct({"target": TEXT, "score": NUMBER})), "nats": pa.list_(NUMBER),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """What may be changed of a prediction of files.

    ``columns`` says where the model's rows stand: ``text``, and ``tokens`` or
    ``label`` where it takes them. ``params`` are asked of the model.
    ``part_rows`` rows are held and written together.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    columns: dict[str, str] = field(default_factory=lambda: {"text": "text"})
    params: dict[str, Any] = field(default_factory=dict)
    part_rows: int = 8192

    def __post_init__(self) -> None:
        known = {"text", "tokens", "label"}
        wrong = sorted(set(self.columns) - known)
        if wrong or not self.columns:
            raise ValueError(f"columns must name some of {', '.join(sorted(known))}, got {', '.join(wrong) or 'none'}")
        if self.part_rows < 1:
            raise ValueError(f"part_rows must be at least 1, got {self.part_rows}")


@dataclass(frozen=True)
class Predictions:
    """A folder of answers: how many rows it has, how many were refused, and by which version."""

    folder: str
    version: str
    rows: int
    refused: int


@task(task_run_name="choose-{model}", cache_policy=NO_CACHE)
def choose(model: str) -> ModelVersion:
    """Find the version that a name stands for now, so that all parts are answered by the same."""
    name, number = find_model(model)
    made = client().get_model_version(name, number)
    return ModelVersion(name, number, made.run_id or "", made.tags.get(SCORES, ""))


@task(task_run_name="predict-{version.name}", cache_policy=NO_CACHE)
def predict_files(version: ModelVersion, source: str, target: str, settings: PredictSettings) -> Predictions:
    """Answer all rows of files, and write the parts that are not there yet."""
    folder, secrets = Path(target), Secrets()
    (folder / REFUSED).mkdir(parents=True, exist_ok=True)
    access = Access(home() / "downloads", secrets.reveal, secrets.hide)
    answers = Answers(version, settings)
    rows = refused = made = number = 0
    for number, (piece, table) in enumerate(parts_of(source, settings, access), 1):
        path, key = folder / f"part-{number:05d}.parquet", answers.key_of(piece, number)
        if not piece.version or key_in(path) != key:
            answers.write(table, path, piece, key, number)
            made += 1
        num_rows = pq.read_metadata(path).num_rows
        rows, refused = rows + num_rows, refused + table.num_rows - num_rows
    remove_parts(folder, number + 1)
    log.info("%s rows answered, %d refused, by %s version %s", f"{rows:,}", refused, version.name, version.version)
    found = Predictions(str(folder), version.version, rows, refused)
    return found if made else unchanged(found)


def parts_of(source: str, settings: PredictSettings, access: Access) -> Iterator[tuple[Piece, pa.Table]]:
    """The rows of the files that an address stands for, a part at a time, with the file of each part.

    Raises:
        RowError: If one is of no format that can be read, or has no such column; names the file.
    """
    files, kind = Files(paths={"all": source}), all_formats()[format_of(source)]
    for piece in files.pieces(access, []):
        try:
            with files.open(piece, access) as streams:
                for table in evenly(kind.read(streams, settings.columns, kind.options), settings.part_rows):
                    yield piece, table
        except RowError as error:
            raise RowError(access.hide(f"{piece.name}: {error}")) from None


def format_of(source: str) -> str:
    """The format that an address ends with, packed or not.

    Raises:
        RowError: If it is none of those that can be read.
    """
    *_, before, ending = ("", *source.partition("?")[0].lower().split("."))
    ending = before if ending in PACKED else ending
    if ending not in FORMATS:
        raise RowError(f"{source}: a file to predict must end in one of {', '.join(FORMATS)}: {nearest(ending, FORMATS)}")
    return FORMATS[ending]


def evenly(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``size`` rows, the last with what is left."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(each.num_rows for each in waiting) >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size)
            waiting = [whole.slice(size)]
    if sum(each.num_rows for each in waiting):
        yield pa.concat_tables(waiting)


def key_in(path: Path) -> bytes:
    """What a part that is there was made of; nothing if there is none."""
    return (pq.read_schema(path).metadata or {}).get(KEY, b"") if path.exists() else b""


def remove_parts(folder: Path, number: int) -> None:
    """Remove the parts from a number on, which a longer file left before."""
    for path in [*folder.glob("part-*.parquet"), *(folder / REFUSED).glob("part-*.parquet")]:
        if int(path.stem.removeprefix("part-")) >= number:
            path.unlink()


class Answers:
    """Answers of one version, which is loaded when the first part needs it."""

    def __init__(self, version: ModelVersion, settings: PredictSettings) -> None:
        self.version, self.settings = version, settings
        self.loaded: Loaded | None = None
        self.schema: pa.Schema | None = None
        tags = client().get_model_version(version.name, version.version).tags
        self.told = {name: tags[name] for name in DIGESTS if name in tags}

    def key_of(self, piece: Piece, number: int) -> bytes:
        """What a part is made of."""
        parts = (
            self.version.name, self.version.version, self.told, piece.name, piece.version, number,
            self.settings.columns, self.settings.params, self.settings.part_rows, code_digest("tasks/predictions.py"),
        )  # fmt: skip
        return digest(*parts).encode()

    def model(self) -> Loaded:
        """The version, and what its answers look like: it is asked for an empty text."""
        if self.loaded is None:
            self.loaded = Loaded.of(self.version.name, self.version.version)
            said = self.loaded.predict(pd.DataFrame({"text": [""]}), self.settings.params)
            columns = {name: TYPES.get(name) or pa.array([plain(said[name].iloc[0])]).type for name in said}
            self.schema = pa.schema(columns)
        return self.loaded

    def write(self, table: pa.Table, path: Path, piece: Piece, key: bytes, number: int) -> None:
        """Answer a part and write it, the refused rows first: where there is a part, both are there."""
        model = self.model()
        assert self.schema is not None
        params = dict(self.settings.params)
        if "seed" in model.defaults:  # or texts of the same beginning would be the same in every part
            params["seed"] = params.get("seed", model.defaults["seed"]) + number
        table, refused = refuse(table, may_be_empty="continuation" in self.schema.names)
        said, wrong = self._answered(model, table, params)
        refused = pa.concat_tables([refused, *wrong])
        told = {
            "refrain.model": self.version.name, "refrain.version": self.version.version, **self.told,
            "refrain.params": json.dumps(params), "refrain.source": piece.name, "refrain.source_version": piece.version,
        }  # fmt: skip
        metadata = {name.encode(): value.encode() for name, value in told.items()} | {KEY: key}
        for each, place in ((refused, path.parent / REFUSED / path.name), (said, path)):
            named = each.append_column(FILE, pa.array([piece.name] * each.num_rows, TEXT))
            partial = place.with_suffix(".partial")
            pq.write_table(named.replace_schema_metadata(metadata), partial)
            partial.replace(place)

    def _answered(self, model: Loaded, table: pa.Table, params: Mapping[str, Any]) -> tuple[pa.Table, list[pa.Table]]:
        """The answers of rows; those that the model does not take are refused."""
        try:
            return self._joined(model, table, params), []
        except ValueError:
            wrong = dict(self._wrong_rows(model, table, params, 0))
        is_right = pa.array([place not in wrong for place in range(table.num_rows)])
        refused = [_refused_row(table.slice(place, 1), "not_taken", said) for place, said in wrong.items()]
        return self._joined(model, table.filter(is_right), params), refused

    def _wrong_rows(self, model: Loaded, table: pa.Table, params: Mapping[str, Any], first: int) -> Iterator[tuple[int, str]]:
        """Places of rows that the model does not take, and why, found by halves."""
        try:
            self._joined(model, table, params)
        except ValueError as error:
            if table.num_rows == 1:
                yield first, str(error)
                return
            half = table.num_rows // 2
            yield from self._wrong_rows(model, table.slice(0, half), params, first)
            yield from self._wrong_rows(model, table.slice(half), params, first + half)

    def _joined(self, model: Loaded, table: pa.Table, params: Mapping[str, Any]) -> pa.Table:
        """Rows beside their answers; a column of a row gives way to an answer of the same name."""
        asked = [name for name in self.settings.columns if name in table.column_names]
        assert self.schema is not None
        said = model.predict(table.select(asked).to_pandas(), params) if table.num_rows else pd.DataFrame()
        columns = {
            each.name: pa.array([plain(value) for value in said[each.name]] if table.num_rows else [], each.type)
            for each in self.schema
        }  # fmt: skip
        own = {name: table[name] for name in (ROW, *asked) if name not in columns}
        return pa.table(own | columns)


def refuse(table: pa.Table, *, may_be_empty: bool) -> tuple[pa.Table, pa.Table]:
    """Part rows that can be answered from those that cannot: not read, or without a text."""
    is_read, read = pc.is_null(table[KIND]), [name for name in ("text", "tokens") if name in table.column_names]
    has_some = pa.array([False] * table.num_rows)
    for name in read:
        length = pc.utf8_length(pc.utf8_trim_whitespace(table[name])) if name == "text" else pc.list_value_length(table[name])
        filled = pc.is_valid(table[name]) if may_be_empty else pc.greater(pc.fill_null(length, 0), 0)
        has_some = pc.or_(has_some, filled)
    wrong = table.filter(pc.invert(is_read)).select([ROW, KIND, REASON, RAW])
    empty = table.filter(pc.and_(is_read, pc.invert(has_some)))
    nothing = [_refused_row(empty.slice(place, 1), "no_text", "there is no text") for place in range(empty.num_rows)]
    return table.filter(pc.and_(is_read, has_some)), pa.concat_tables([wrong, *nothing])


def _refused_row(row: pa.Table, kind: str, reason: str) -> pa.Table:
    raw = row.drop_columns([ROW, KIND, REASON, RAW]).to_pylist()[0]
    said = {KIND: kind, REASON: reason, RAW: json.dumps(raw, ensure_ascii=False)}
    return pa.table({ROW: row[ROW], **{name: pa.array([value], TEXT) for name, value in said.items()}})
