"""Rows to ids and back: a tokenizer for each side, built from the training split only."""

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
    """Both sides of a dataset's rows to ids, and a model's ids back to labels, tags or text.

    ``characters`` spells words that get tags. A text to continue has one
    tokenizer for both sides; if it has a label, ``starts`` encodes it as the
    source side. ``cuts`` cuts raw text into the words that get tags; without
    it, spaces do.
    """

    kind: str
    roles: tuple[str, ...]
    source: Tokenizer
    target: Tokenizer | Labels
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
        """Build vocabularies from a training split: source and target, or a text alone.

        Two texts share one vocabulary unless settings say otherwise, so that
        names and numbers are the same pieces on both sides.

        Args:
            kind: One of ``KINDS``, or the path of a user's tokenizer.json.
            train: The rows, in one table or in some that can be iterated more than once.
            settings: Of tokenization.
            words: Of a file of word vectors. Where whole words are an input only,
                up to ``vectors_limit`` words that training lacks get ids, so
                words of another split may have one, without a look at that split.

        Raises:
            RowError: If the kind cannot serve these rows, or the file is no tokenizer.json.
        """
        tables = [train] if isinstance(train, pa.Table) else train
        first_table = next(iter(tables), None)
        if first_table is None:
            raise RowError("the training split has no rows")
        names = first_table.column_names
        source = names[0] if len(names) > 1 else ""
        target = names[-1]
        name = Path(kind).name if is_tokenizer_file(kind) else kind
        if target == "text":
            starts = Labels.of(ColumnsOf(tables, (source,))) if source else None
            shared = Tokenizer.train(kind, ColumnsOf(tables, (target,)), settings)
            return cls(name, tuple(names), shared, shared, starts=starts)
        if target == "tags" and kind in KINDS and kind not in WHOLE_TOKENS:
            raise RowError(
                "tags need one id for each token: tokenizer must be one of "
                f"{', '.join(WHOLE_TOKENS)}, got {kind!r}"
            )
        if (source, target) == ("source", "target") and settings.joint:
            shared = Tokenizer.train(kind, ColumnsOf(tables, (source, target)), settings)
            return cls(name, (source, target), shared, shared)
        first = ColumnsOf(tables, (source,))
        second = ColumnsOf(tables, (target,))
        is_text = target == "target"
        to_ids = Tokenizer.train(kind, second, settings) if is_text else Labels.of(second)
        characters = Characters.of(first) if target == "tags" and kind != "characters" else None
        read = Tokenizer.train(kind, first, settings)
        if words and kind in WHOLE_TOKENS:
            read = read.with_words(words, settings.vectors_limit)
        cuts = Cuts.of(first) if target == "tags" and kind != "characters" else None
        return cls(name, (source, target), read, to_ids, characters, cuts=cuts)

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
        """The number of labels, or of ids of target text."""
        return len(self.target.names) if isinstance(self.target, Labels) else self.target.size

    def encode_source(self, column: pa.ChunkedArray) -> Encoded:
        """Encode the source side; a label that the training split lacks becomes -1."""
        return self.starts.encode(column) if self.starts else self.source.encode(column.to_pylist())

    def encode_target(self, column: pa.ChunkedArray) -> Encoded:
        """Encode the target side; a label that the training split lacks becomes -1."""
        if isinstance(self.target, Labels):
            return self.target.encode(column)
        return self.target.encode(column.to_pylist())

    def encode(self, table: pa.Table) -> tuple[Encoded, Encoded]:
        """Encode both sides; a text alone has no source."""
        target = self.encode_target(table.column(table.num_columns - 1))
        if table.num_columns == 1:
            return ragged([()] * table.num_rows), target
        return self.encode_source(table.column(0)), target

    def words(self, rows: pa.ChunkedArray | pa.Array) -> Words | None:
        """Find the distinct words of rows, and the rows as indices of these.

        None if the encoder spells no words.
        """
        return distinct_words(rows) if self.characters else None

    def spell(self, rows: Sequence[Sequence[str]]) -> tuple[Encoded, Encoded] | None:
        """Encode rows as word numbers, with the spelling of each number.

        None if the encoder spells no words.
        """
        if self.characters is None:
            return None
        words, numbers = distinct_words(pa.array(rows, pa.list_(pa.string())))
        return numbers, self.characters.spell(words)

    def encode_with_offsets(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
        """Encode raw texts as source: ids, where each text starts, and spans, (ids, 2)."""
        if not self.source.is_cut:
            return self.source.encode_with_offsets(texts)
        spans = [self.spans(text) or [(0, 0)] for text in texts]
        ids, offsets = self.source.encode([self.cut(text) for text in texts])
        return (
            ids,
            offsets,
            np.asarray([*chain.from_iterable(spans)], dtype=np.int32).reshape(-1, 2),
        )

    def decode(self, ids: Sequence[int], *, copied: Sequence[int] = (), source: str = "") -> Any:
        """Decode a model's ids to a label, a list of tags, or a text.

        Args:
            ids: Of labels, tags or target text.
            copied: The index of the source token that each id copies, -1 for none.
            source: The source text.
        """
        if isinstance(self.target, Tokenizer):
            return self.target.decode(ids, self._copies(copied, source) if copied else ())
        names = self.target.decode(ids)
        return names[0] if self.roles[1] == "label" else names

    def _copies(self, copied: Sequence[int], source: str) -> list[str]:
        _, _, spans = self.source.encode_with_offsets([source])
        return [source[slice(*spans[index])] for index in copied if index >= 0]

    def cut(self, text: str) -> Any:
        """Cut a raw text into the tokens of the source side, if it takes tokens."""
        return (
            [text[start:stop] for start, stop in self.spans(text)] if self.source.is_cut else text
        )

    def spans(self, text: str) -> list[Span]:
        """Find the spans of the tokens that get tags, cut as the training tokens are."""
        return (
            self.cuts.spans(text, self.source.knows) if self.cuts else split_spans(self.kind, text)
        )

    def save(self, folder: Path) -> None:
        """Write the vocabularies as JSON, a user's file included."""
        saved: dict[str, Any] = {
            "kind": self.kind,
            "roles": self.roles,
            "source": self.source.as_json(),
            "target": None,
        }
        saved["cuts"] = self.cuts.as_json() if self.cuts else None
        saved["starts"] = self.starts.names if self.starts else None
        self.source.inner.save(str(folder / SOURCE_FILE))
        if isinstance(self.target, Labels):
            (folder / TARGET_FILE).write_text(
                json.dumps(self.target.names, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        elif self.target is not self.source:
            self.target.inner.save(str(folder / TARGET_FILE))
            saved["target"] = self.target.as_json()
        if self.characters:
            text = json.dumps(self.characters.known, ensure_ascii=False)
            (folder / CHARACTERS_FILE).write_text(text + "\n", encoding="utf-8")
        (folder / ENCODER_FILE).write_text(json.dumps(saved) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read what ``save`` wrote."""
        saved = json.loads((folder / ENCODER_FILE).read_text())
        kind = saved["kind"]
        roles = tuple(saved["roles"])
        source = Tokenizer.read(folder / SOURCE_FILE, saved["source"])
        if saved["target"]:
            return cls(kind, roles, source, Tokenizer.read(folder / TARGET_FILE, saved["target"]))
        if not (folder / TARGET_FILE).exists():
            return cls(
                kind,
                roles,
                source,
                source,
                starts=Labels(tuple(saved["starts"])) if saved["starts"] else None,
            )
        names = json.loads((folder / TARGET_FILE).read_text(encoding="utf-8"))
        spelled = folder / CHARACTERS_FILE
        characters = (
            Characters(json.loads(spelled.read_text(encoding="utf-8")))
            if spelled.exists()
            else None
        )
        cuts = Cuts.read(saved["cuts"]) if saved.get("cuts") else None  # older token sets have none
        return cls(kind, roles, source, Labels(tuple(names)), characters, cuts=cuts)
