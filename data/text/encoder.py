"""Rows to ids and back: an encoder of both sides, built from the training split only."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.arrays import ColumnsOf, Encoded, ragged
from data.errors import RowError
from data.text.char_vocabulary import Characters, Words, distinct_words
from data.text.labels import Labels
from data.text.numbers import NUMBERS, Numbers
from data.text.pre_tokenizers import Cuts
from data.text.settings import (
    DEFAULTS,
    KINDS,
    SPECIAL,
    TokenSettings,
    default_settings,
    is_tokenizer_file,
)
from data.text.spans import Span, split_spans, split_text
from data.text.tokenizer import WHOLE_TOKENS, Tokenizer

__all__ = [
    "DEFAULTS",
    "KINDS",
    "SPECIAL",
    "Encoder",
    "TokenSettings",
    "Tokenizer",
    "default_settings",
    "split_text",
]
SOURCE_FILE = "source.json"
TARGET_FILE = "target.json"
ENCODER_FILE = "encoder.json"
CHARACTERS_FILE = "characters.json"


@dataclass(frozen=True)
class Encoder:
    """Encodes both sides of a dataset's rows, and decodes the ids that a model predicts.

    ``characters`` spell words that get tags. A text that a model continues has
    one tokenizer for input and output; where its rows have labels, ``starts``
    encodes them, and they are the source side. ``cuts`` cuts raw text into the
    words that get tags; without it, words end at spaces.
    """

    kind: str
    roles: tuple[str, ...]
    source: Tokenizer
    target: Tokenizer | Labels | Numbers
    characters: Characters | None = None
    starts: Labels | None = None
    cuts: Cuts | None = None

    @classmethod
    def build(
        cls,
        kind: str,
        train: pa.Table | Iterable[pa.Table],
        settings: TokenSettings,
        *,
        words: Iterable[str] = (),
    ) -> "Encoder":
        """Build vocabularies from a training split of sources and targets, or of texts alone.

        Two texts share one vocabulary unless settings say otherwise, so that
        names and numbers are the same pieces on both sides.

        Args:
            kind: One of ``KINDS``, or the path of a user's tokenizer.json.
            train: The rows, in one table or in some that can be iterated more than once.
            settings: Of the tokenizers.
            words: Of a file of word vectors. Where whole words are read, up to ``vectors_limit``
                of those that training lacks become known, so that a word of another split may be
                known without a look at that split.

        Raises:
            RowError: If the kind cannot serve these rows, or the file is no tokenizer.json.
        """
        tables = [train] if isinstance(train, pa.Table) else train
        first_table = next(iter(tables), None)
        if first_table is None:
            raise RowError("the training split has no rows")
        names = first_table.column_names
        name = Path(kind).name if is_tokenizer_file(kind) else kind
        if names[-1] == "text":
            starts = Labels.of(ColumnsOf(tables, (names[0],))) if len(names) > 1 else None
            tokenizer = Tokenizer.train(kind, ColumnsOf(tables, (names[-1],)), settings)
            return cls(name, tuple(names), tokenizer, tokenizer, starts=starts)
        return cls._of_pairs(name, kind, tables, settings, names, words)

    @classmethod
    def _of_pairs(
        cls,
        name: str,
        kind: str,
        tables: Iterable[pa.Table],
        settings: TokenSettings,
        names: Sequence[str],
        words: Iterable[str],
    ) -> "Encoder":
        """Build the encoder of a source and a target."""
        source, target = names
        is_tagged = target == "tags"
        if is_tagged and kind in KINDS and kind not in WHOLE_TOKENS:
            raise RowError(
                "tags need one id for each token: tokenizer must be one of "
                f"{', '.join(WHOLE_TOKENS)}, got {kind!r}"
            )
        if (source, target) == ("source", "target") and settings.joint:
            shared = Tokenizer.train(kind, ColumnsOf(tables, (source, target)), settings)
            return cls(name, (source, target), shared, shared)
        first = ColumnsOf(tables, (source,))
        second = ColumnsOf(tables, (target,))
        targets = _target_encoder(kind, target, second, settings)
        is_spelled = is_tagged and kind != "characters"
        characters = Characters.of(first) if is_spelled else None
        tokenizer = Tokenizer.train(kind, first, settings)
        if words and kind in WHOLE_TOKENS:
            tokenizer = tokenizer.with_words(words, settings.vectors_limit)
        cuts = Cuts.of(first) if is_spelled else None
        return cls(name, (source, target), tokenizer, targets, characters, cuts=cuts)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels or tags; empty where the target is text."""
        return self.target.names if isinstance(self.target, Labels) else ()

    @property
    def source_size(self) -> int:
        """The number of ids of the source side: words, or labels that a text may start from."""
        known = len(self.starts.names) if self.starts else 0
        return known if self.roles[-1] == "text" else self.source.size

    @property
    def target_size(self) -> int:
        """Labels, or ids of target text; 1 for a number."""
        if isinstance(self.target, Numbers):
            return 1
        return len(self.target.names) if isinstance(self.target, Labels) else self.target.size

    @property
    def target_dtype(self) -> type[np.generic]:
        """Type of the values of the target side: ids, or standardized numbers."""
        return np.float32 if isinstance(self.target, Numbers) else np.int32

    def encode_source(self, column: pa.ChunkedArray) -> Encoded:
        """Encode the source side; -1 stands for a label that the training split does not have."""
        return self.starts.encode(column) if self.starts else self.source.encode(column.to_pylist())

    def encode_target(self, column: pa.ChunkedArray) -> Encoded:
        """Encode the target side; -1 stands for a label that the training split does not have."""
        if isinstance(self.target, Labels | Numbers):
            return self.target.encode(column)
        return self.target.encode(column.to_pylist())

    def encode(self, table: pa.Table) -> tuple[Encoded, Encoded]:
        """Encode both sides; a text alone has no source."""
        target = self.encode_target(table.column(table.num_columns - 1))
        if table.num_columns > 1:
            return self.encode_source(table.column(0)), target
        return ragged([()] * table.num_rows), target

    def words(self, rows: pa.ChunkedArray | pa.Array) -> Words | None:
        """List the distinct words of rows, and number the words; None if words are not spelled."""
        return distinct_words(rows) if self.characters else None

    def spell(self, rows: Sequence[Sequence[str]]) -> tuple[Encoded, Encoded] | None:
        """Number the words of rows and spell each number; None where words are not spelled."""
        if self.characters is None:
            return None
        words, numbers = distinct_words(pa.array(rows, pa.list_(pa.string())))
        return numbers, self.characters.spell(words)

    def encode_with_offsets(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
        """Encode raw texts as sources.

        Returns:
            The ids, where each text starts, and the span of each id in its text, (ids, 2).
        """
        if not self.source.is_cut:
            return self.source.encode_with_offsets(texts)
        spans = [self.spans(text) or [(0, 0)] for text in texts]
        ids, offsets = self.source.encode([self.cut(text) for text in texts])
        return (
            ids,
            offsets,
            np.asarray([*chain.from_iterable(spans)], dtype=np.int32).reshape(-1, 2),
        )

    def decode(self, ids: Sequence[Any], *, copied: Sequence[int] = (), source: str = "") -> Any:
        """Decode a target: a label, a list of tags, a text, or a number.

        Args:
            ids: Of the target, or a standardized number.
            copied: For each id the index of the source token that it copies, -1 for none.
            source: The source text.
        """
        if isinstance(self.target, Tokenizer):
            return self.target.decode(ids, self._copies(copied, source) if copied else ())
        values: Sequence[Any] = self.target.decode(ids)
        return values if self.roles[1] == "tags" else values[0]

    def _copies(self, copied: Sequence[int], source: str) -> list[str]:
        _, _, spans = self.source.encode_with_offsets([source])
        return [source[slice(*spans[index])] for index in copied if index >= 0]

    def cut(self, text: str) -> Any:
        """Cut a raw text as the source side of this encoder takes it."""
        return (
            [text[start:stop] for start, stop in self.spans(text)] if self.source.is_cut else text
        )

    def spans(self, text: str) -> list[Span]:
        """Find the spans of the tokens of a raw text, cut as the training tokens are."""
        return (
            self.cuts.spans(text, self.source.knows) if self.cuts else split_spans(self.kind, text)
        )

    def save(self, folder: Path) -> None:
        """Write the vocabularies as JSON; a user's tokenizer file is copied, so that it may go."""
        fields: dict[str, Any] = {
            "kind": self.kind,
            "roles": self.roles,
            "source": self.source.as_json(),
            "target": None,
        }
        fields["cuts"] = self.cuts.as_json() if self.cuts else None
        fields["starts"] = self.starts.names if self.starts else None
        self.source.inner.save(str(folder / SOURCE_FILE))
        if isinstance(self.target, Labels):
            _write_json(folder / TARGET_FILE, self.target.names)
        elif isinstance(self.target, Numbers):
            _write_json(folder / TARGET_FILE, self.target.saved())
        elif self.target is not self.source:
            self.target.inner.save(str(folder / TARGET_FILE))
            fields["target"] = self.target.as_json()
        if self.characters:
            _write_json(folder / CHARACTERS_FILE, self.characters.known)
        (folder / ENCODER_FILE).write_text(json.dumps(fields) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read a saved encoder."""
        fields = json.loads((folder / ENCODER_FILE).read_text())
        kind = fields["kind"]
        roles = tuple(fields["roles"])
        source = Tokenizer.read(folder / SOURCE_FILE, fields["source"])
        if fields["target"]:
            target = Tokenizer.read(folder / TARGET_FILE, fields["target"])
            return cls(kind, roles, source, target)
        if not (folder / TARGET_FILE).exists():
            starts = Labels(tuple(fields["starts"])) if fields["starts"] else None
            return cls(kind, roles, source, source, starts=starts)
        spelled = folder / CHARACTERS_FILE
        characters = Characters(_read_json(spelled)) if spelled.exists() else None
        cuts = (
            Cuts.read(fields["cuts"]) if fields.get("cuts") else None
        )  # older token sets have none
        found = _read_json(folder / TARGET_FILE)
        targets = Numbers(**found) if isinstance(found, dict) else Labels(tuple(found))
        return cls(kind, roles, source, targets, characters, cuts=cuts)


def _target_encoder(
    kind: str, role: str, columns: ColumnsOf, settings: TokenSettings
) -> Tokenizer | Labels | Numbers:
    """Build the encoder of the target side of pairs."""
    if role == "target":
        return Tokenizer.train(kind, columns, settings)
    return Numbers.of(columns) if role in NUMBERS else Labels.of(columns)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
