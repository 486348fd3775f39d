"""The answers of a registered version to parts of files, and the settings of such a prediction."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import ConfigDict

from data.formats.base import ROW
from data.sources.base import Partition
from rnn_models.output_kind import ColumnType, ListOf, StructOf
from tasks.inference.prediction_folder import KEY, REFUSED, write_part
from tasks.inference.rejected_rows import KEEP, TEXT, rejected_row, split_rejected
from tasks.registry.mlflow_client import client
from tasks.registry.registered_model import Loaded, plain
from tasks.registry.version_facts import all_facts
from tasks.registry.versions import SCORES
from tasks.serving.input_texts import MAX_CHARACTERS
from tasks.store.artifacts import ModelVersion
from tasks.store.code import code_digest, digest

FILE = "file"  # the column that names a row's file
CODE = ("tasks/inference/predict_files.py", "tasks/serving/input_texts.py")
# Facts of a version that name what it was made of.
DIGESTS = (SCORES, "refrain.checkpoint", "refrain.tokens", "refrain.test_split")
ARROW_TYPES: dict[Any, pa.DataType] = {
    str: TEXT,
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
}


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """The settings of a prediction of files.

    ``columns`` names the columns of the model's inputs: ``text``, and
    ``tokens`` or ``label`` where it takes them. ``keep`` names columns that are
    copied, as text: a row's number, for example. ``params`` are request
    parameters of the model. ``part_rows`` rows are held and written together.
    ``overwrite`` allows to replace predictions of another model or of other
    files; files that are no predictions are never replaced.
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
                f"columns must name some of {', '.join(sorted(known))}, "
                f"got {', '.join(wrong) or 'none'}"
            )
        if len(set(self.keep)) < len(self.keep) or not all(self.keep):
            raise ValueError(
                f"keep must name different columns, got {', '.join(map(repr, self.keep))}"
            )
        if self.part_rows < 1:
            raise ValueError(f"part_rows must be at least 1, got {self.part_rows}")


class Answers:
    """Answers of one version to parts of files; it is loaded when the first part needs it."""

    def __init__(self, version: ModelVersion, settings: PredictSettings) -> None:
        self.version = version
        self.settings = settings
        self.loaded: Loaded | None = None
        self.schema: pa.Schema | None = None
        self.may_be_empty = False
        facts = all_facts(client().get_model_version(version.name, version.version))
        self.digests = {name: facts[name] for name in DIGESTS if name in facts}

    def key_of(self, piece: Partition, number: int) -> bytes:
        """Digest what a part is made of."""
        settings = self.settings
        parts = (
            self.version.name,
            self.version.version,
            self.digests,
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
        """Load the version, and learn the types of its answers from one to a text of one letter.

        Raises:
            ValueError: If a column to keep has the name of a column of the answers.
        """
        if self.loaded is None:
            loaded = Loaded.of(self.version.name, self.version.version)
            kind = loaded.kind
            table = loaded.predict(pd.DataFrame({"text": ["a"]}), self.settings.params)
            columns = {
                name: arrow_type(kind.columns.get(name), table[name].iloc[0]) for name in table
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
            self.schema = pa.schema(columns)
            self.loaded = loaded
            self.may_be_empty = kind.is_continuation
        return self.loaded

    def write(self, table: pa.Table, path: Path, piece: Partition, key: bytes, number: int) -> None:
        """Answer a part and write it, the rejected rows first: no part is ever without them."""
        model = self.model()
        assert self.schema is not None
        params = dict(self.settings.params)
        if "seed" in model.defaults:
            # Or texts with the same beginning would be the same in every part.
            params["seed"] = params.get("seed", model.defaults["seed"]) + number
        limit = params.get("max_characters", model.defaults.get("max_characters", MAX_CHARACTERS))
        table, rejected = split_rejected(
            table, may_be_empty=self.may_be_empty, max_characters=int(limit)
        )
        answered, wrong = self._answered(model, table, params)
        rejected = pa.concat_tables([rejected, *wrong], promote_options="default")
        about = {
            "refrain.model": self.version.name,
            "refrain.version": self.version.version,
            **self.digests,
            "refrain.params": json.dumps(params),
            "refrain.source": piece.name,
            "refrain.source_version": piece.version,
            KEY.decode(): key.decode(),
        }
        for each, target in ((rejected, path.parent / REFUSED / path.name), (answered, path)):
            files = pa.array([piece.name] * each.num_rows, TEXT)
            write_part(each.append_column(FILE, files), target, about)

    def _answered(
        self, model: Loaded, table: pa.Table, params: Mapping[str, Any]
    ) -> tuple[pa.Table, list[pa.Table]]:
        """Answer rows; those that the model does not take are rejected."""
        try:
            return self._joined(model, table, params), []
        except ValueError:
            wrong = dict(self._wrong_rows(model, table, params, 0))
        is_right = pa.array([index not in wrong for index in range(table.num_rows)])
        rejected = [
            rejected_row(table.slice(index, 1), "not_taken", message)
            for index, message in wrong.items()
        ]
        return self._joined(model, table.filter(is_right), params), rejected

    def _wrong_rows(
        self, model: Loaded, table: pa.Table, params: Mapping[str, Any], first: int
    ) -> Iterator[tuple[int, str]]:
        """Find the indices of rows that the model does not take, and why, by halves."""
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
        """Put rows beside their answers; an answer replaces a column of the same name."""
        inputs = [name for name in self.settings.columns if name in table.column_names]
        assert self.schema is not None
        answers = dict[str, list[Any]]()
        if table.num_rows:
            found = model.predict(table.select(inputs).to_pandas(), params)
            answers = {name: [plain(value) for value in found[name]] for name in found}
        columns = {
            each.name: pa.array(answers.get(each.name, []), each.type) for each in self.schema
        }
        kept = {name: table[KEEP + name] for name in self.settings.keep}
        own = {name: table[name] for name in (ROW, *inputs) if name not in columns}
        return pa.table(own | kept | columns)


def arrow_type(column: ColumnType | None, example: Any) -> pa.DataType:
    """Translate the type of a column.

    The labels of maps differ between models, so an example gives them.
    """
    if isinstance(column, ListOf):
        return pa.list_(arrow_type(column.item, None))
    if isinstance(column, StructOf):
        fields = column.fields.items()
        return pa.struct({name: arrow_type(each, None) for name, each in fields})
    return ARROW_TYPES.get(column) or pa.array([plain(example)]).type
