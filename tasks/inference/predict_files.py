"""Files of raw rows in, Parquet files of predictions out, part by part: a part that is there stays, no more than one is held.

A folder of predictions is read as one table: ``part-*.parquet`` stand in it,
the rejected rows apart in ``_refused``. What a part was made of stands in its
metadata, so a run that was killed, or is started again, goes on where it was.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ConfigDict

from data.formats.base import KIND, RAW, REASON, ROW
from data.sources.base import Access, Piece
from tasks.inference.prediction_folder import (
    KEY,
    REFUSED,
    check_earlier,
    check_sources,
    check_target,
    key_of_part,
    local_folder,
    remove_parts,
    write_part,
)
from tasks.inference.text_files import parts_of, pieces_of
from tasks.registry.mlflow_client import client
from tasks.registry.registered_model import Loaded, find_model, plain
from tasks.registry.versions import SCORES
from tasks.serving.input_texts import MAX_CHARACTERS, text_fault, tokens_fault
from tasks.store.artifacts import ModelVersion
from tasks.store.code import code_digest, digest
from tasks.store.home import home
from tasks.store.secrets import Secrets

log = logging.getLogger(__name__)
FILE, KEEP = (
    "file",
    "keep:",
)  # the column that names a row's file; what marks a column that is kept while it is read
CODE = (
    "tasks/inference/predict_files.py",
    "tasks/inference/prediction_folder.py",
    "tasks/inference/text_files.py",
    "tasks/serving/input_texts.py",
)
DIGESTS = (
    SCORES,
    "refrain.checkpoint",
    "refrain.tokens",
    "refrain.test_split",
)  # tags of a version
TEXT, NUMBER, PLACE = pa.string(), pa.float64(), pa.int64()
# Types of what models say; the labels of probabilities are each model's own.
TYPES: dict[str, pa.DataType] = {
    "label": TEXT,
    "score": NUMBER,
    "tags": pa.list_(TEXT),
    "target": TEXT,
    "text": TEXT,
    "continuation": TEXT,
    "entities": pa.list_(
        pa.struct({"kind": TEXT, "text": TEXT, "start": PLACE, "stop": PLACE, "confidence": NUMBER})
    ),
    "n_best": pa.list_(pa.struct({"target": TEXT, "score": NUMBER})),
    "nats": pa.list_(NUMBER),
    "unfamiliar": pa.bool_(),
}


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """What may be changed of a prediction of files.

    ``columns`` says where the model's rows stand: ``text``, and ``tokens`` or
    ``label`` where it takes them. ``keep`` names columns that go through, as
    text: a row's number, say. ``params`` are those of the model. ``part_rows``
    rows are held and written together. ``overwrite`` lets predictions of
    another model or of other files be replaced; files that are no
    predictions never are.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    columns: dict[str, str] = field(default_factory=lambda: {"text": "text"})
    keep: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    part_rows: int = 8192
    overwrite: bool = False

    def __post_init__(self) -> None:
        known = {"text", "tokens", "label"}
        wrong = sorted(set(self.columns) - known)
        if wrong or not self.columns:
            raise ValueError(
                f"columns must name some of {', '.join(sorted(known))}, got {', '.join(wrong) or 'none'}"
            )
        if len(set(self.keep)) < len(self.keep) or not all(self.keep):
            raise ValueError(
                f"keep must name different columns, got {', '.join(map(repr, self.keep))}"
            )
        if self.part_rows < 1:
            raise ValueError(f"part_rows must be at least 1, got {self.part_rows}")


@dataclass(frozen=True)
class Predictions:
    """A folder of predictions: how many rows it has, how many were rejected, and by which version."""

    folder: str
    version: str
    rows: int
    refused: int
    made: int = 0  # parts that were not there yet


Progress = Callable[[int, int], None]  # given the rows and the rejected rows so far


def chosen_version(model: str) -> ModelVersion:
    """The version that a name stands for now."""
    name, number = find_model(model)
    made = client().get_model_version(name, number)
    return ModelVersion(name, number, made.run_id or "", made.tags.get(SCORES, ""))


def write_predictions(
    version: ModelVersion,
    source: str | Sequence[str],
    target: str,
    settings: PredictSettings,
    progress: Progress = lambda rows, rejected: None,
) -> Predictions:
    """Answer all rows of files, and write the parts that are not there yet.

    Args:
        version: What answers.
        source: Paths, globs or addresses of files.
        target: A folder on this machine, of predictions alone.
        settings: What may be changed.
        progress: Called after each part.

    Raises:
        ValueError: If the target holds anything else, before anything is written; or if a file or a setting is wrong.
    """
    sources, secrets = [source] if isinstance(source, str) else [*source], Secrets()
    access = Access(home() / "downloads", secrets.reveal, secrets.hide)
    files, pieces = pieces_of(sources, access)
    folder, answers = local_folder(target), Answers(version, settings)
    check_sources(folder, sources, pieces)
    earlier = check_target(folder)
    if not settings.overwrite:
        check_earlier(folder, earlier, version.name, [piece.name for piece in pieces])
    rows = refused = made = number = 0
    columns = settings.columns | {KEEP + name: name for name in settings.keep}
    for number, (piece, table) in enumerate(
        parts_of(files, pieces, columns, settings.part_rows, access), 1
    ):
        (folder / REFUSED).mkdir(parents=True, exist_ok=True)
        path, key = folder / f"part-{number:05d}.parquet", answers.key_of(piece, number)
        if not piece.version or key_of_part(path) != key:
            answers.write(table, path, piece, key, number)
            made += 1
        num_rows = pq.read_metadata(path).num_rows
        rows, refused = rows + num_rows, refused + table.num_rows - num_rows
        progress(rows, refused)
    remove_parts(folder, number + 1)
    log.info(
        "%s rows answered, %d rejected, by %s version %s",
        f"{rows:,}",
        refused,
        version.name,
        version.version,
    )
    return Predictions(str(folder), version.version, rows, refused, made)


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
        settings = self.settings
        parts = (
            self.version.name,
            self.version.version,
            self.told,
            piece.name,
            piece.version,
            number,
            settings.columns,
            settings.keep,
            settings.params,
            settings.part_rows,
            code_digest(*CODE),
        )
        return digest(*parts).encode()

    def model(self) -> Loaded:
        """The version, and what its answers look like: it answers a text of one letter.

        Raises:
            ValueError: If a column that is to be kept has the name of one of its answers.
        """
        if self.loaded is None:
            loaded = Loaded.of(self.version.name, self.version.version)
            said = loaded.predict(pd.DataFrame({"text": ["a"]}), self.settings.params)
            columns = {
                name: TYPES.get(name) or pa.array([plain(said[name].iloc[0])]).type for name in said
            }
            taken = next(
                (
                    name
                    for name in self.settings.keep
                    if name in (*columns, *self.settings.columns, ROW, FILE)
                ),
                None,
            )
            if taken is not None:
                raise ValueError(
                    f"keep: {taken} is a column of the predictions already: rename it in the file"
                )
            self.schema, self.loaded = pa.schema(columns), loaded
        return self.loaded

    def write(self, table: pa.Table, path: Path, piece: Piece, key: bytes, number: int) -> None:
        """Answer a part and write it, the rejected rows first: where there is a part, both are there."""
        model = self.model()
        assert self.schema is not None
        params = dict(self.settings.params)
        if (
            "seed" in model.defaults
        ):  # or texts of the same beginning would be the same in every part
            params["seed"] = params.get("seed", model.defaults["seed"]) + number
        limit = params.get("max_characters", model.defaults.get("max_characters", MAX_CHARACTERS))
        is_beginning = bool({"continuation", "nats"} & set(self.schema.names))
        table, refused = refuse(table, may_be_empty=is_beginning, max_characters=int(limit))
        said, wrong = self._answered(model, table, params)
        refused = pa.concat_tables([refused, *wrong], promote_options="default")
        about = {
            "refrain.model": self.version.name,
            "refrain.version": self.version.version,
            **self.told,
            "refrain.params": json.dumps(params),
            "refrain.source": piece.name,
            "refrain.source_version": piece.version,
            KEY.decode(): key.decode(),
        }
        for each, place in ((refused, path.parent / REFUSED / path.name), (said, path)):
            write_part(
                each.append_column(FILE, pa.array([piece.name] * each.num_rows, TEXT)), place, about
            )

    def _answered(
        self, model: Loaded, table: pa.Table, params: Mapping[str, Any]
    ) -> tuple[pa.Table, list[pa.Table]]:
        """The answers of rows; those that the model does not take are rejected."""
        try:
            return self._joined(model, table, params), []
        except ValueError:
            wrong = dict(self._wrong_rows(model, table, params, 0))
        is_right = pa.array([place not in wrong for place in range(table.num_rows)])
        refused = [
            _refused_row(table.slice(place, 1), "not_taken", said) for place, said in wrong.items()
        ]
        return self._joined(model, table.filter(is_right), params), refused

    def _wrong_rows(
        self, model: Loaded, table: pa.Table, params: Mapping[str, Any], first: int
    ) -> Iterator[tuple[int, str]]:
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
        said = (
            model.predict(table.select(asked).to_pandas(), params)
            if table.num_rows
            else pd.DataFrame()
        )
        columns = {
            each.name: pa.array(
                [plain(value) for value in said[each.name]] if table.num_rows else [], each.type
            )
            for each in self.schema
        }
        kept = {name: table[KEEP + name] for name in self.settings.keep}
        own = {name: table[name] for name in (ROW, *asked) if name not in columns}
        return pa.table(own | kept | columns)


def refuse(
    table: pa.Table, *, may_be_empty: bool, max_characters: int = MAX_CHARACTERS
) -> tuple[pa.Table, pa.Table]:
    """Part rows that can be answered from those that cannot: not read, or without a text that a model reads."""
    is_read = pc.is_null(table[KIND])
    wrong = table.filter(pc.invert(is_read)).select([ROW, KIND, REASON, RAW, *_kept(table)])
    table = table.filter(is_read)
    columns = [
        table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
        for name in ("text", "tokens")
    ]
    limits: dict[str, Any] = {"may_be_empty": may_be_empty, "max_characters": max_characters}
    faults = [_fault(text, tokens, limits) for text, tokens in zip(*columns, strict=True)]
    found = [
        _refused_row(table.slice(place, 1), *fault) for place, fault in enumerate(faults) if fault
    ]
    rejected = pa.concat_tables([_named(wrong), *found], promote_options="default")
    return table.filter(pa.array([fault is None for fault in faults], pa.bool_())), rejected


def _fault(
    text: str | None, tokens: list[str] | None, limits: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Why a row is not read, by the rule of every route; tokens come before a text."""
    if tokens is not None:
        return tokens_fault(tokens, max_characters=limits["max_characters"])
    return ("no_text", "there is no text") if text is None else text_fault(text, **limits)


def _kept(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name.startswith(KEEP)]


def _named(table: pa.Table) -> pa.Table:
    """The same with the kept columns under their own names."""
    return table.rename_columns([name.removeprefix(KEEP) for name in table.column_names])


def _refused_row(row: pa.Table, kind: str, reason: str) -> pa.Table:
    kept = _kept(row)
    raw = row.drop_columns([ROW, KIND, REASON, RAW, *kept]).to_pylist()[0]
    said = {KIND: kind, REASON: reason, RAW: json.dumps(raw, ensure_ascii=False)}
    columns = {ROW: row[ROW], **{name: pa.array([value], TEXT) for name, value in said.items()}}
    return _named(pa.table(columns | {name: row[name] for name in kept}))
