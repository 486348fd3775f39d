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
SOURCE_FILE, TARGET_FILE, ENCODER_FILE, CHARACTERS_FILE = (
    "source.json",
    "target.json",
    "encoder.json",
    "characters.json",
)


@dataclass(frozen=True)
class Encoder:
    """Both sides of a dataset's rows to ids, and a model's ids back to what a row says.

    Words that get tags are spelled too, by ``characters``. A text that is to be
    gone on with is read as it is said; where it has a label, ``starts`` knows
    it, and the label is the source side of the rows. ``cuts`` says how raw
    text is cut into the words that get tags; without, at spaces.
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
        """Build vocabularies from a training split with two columns, source and target, or a text alone.

        Two texts share one vocabulary unless settings say otherwise, so that
        names and numbers are the same pieces on both sides.

        Args:
            kind: One of ``KINDS``, or the path of a user's tokenizer.json.
            train: The rows, in one table or in some that can be iterated more than once.
            settings: What steers it.
            words: Of a file of word vectors; those that training lacks are known
                too where whole words are read and not said, ``vectors_limit`` at
                most. So a word of another split is, and nobody looked at that.

        Raises:
            RowError: If the kind cannot serve these rows, or the file is no tokenizer.json.
        """
        tables = [train] if isinstance(train, pa.Table) else train
        first_table = next(iter(tables), None)
        if first_table is None:
            raise RowError("the training split has no rows")
        names = first_table.column_names
        source, target = names[0] if len(names) > 1 else "", names[-1]
        name = Path(kind).name if is_tokenizer_file(kind) else kind
        if target == "text":
            starts = Labels.of(ColumnsOf(tables, (source,))) if source else None
            said = Tokenizer.train(kind, ColumnsOf(tables, (target,)), settings)
            return cls(name, tuple(names), said, said, starts=starts)
        if target == "tags" and kind in KINDS and kind not in WHOLE_TOKENS:
            raise RowError(
                f"tags need one id for each token: tokenizer must be one of {', '.join(WHOLE_TOKENS)}, got {kind!r}"
            )
        if (source, target) == ("source", "target") and settings.joint:
            shared = Tokenizer.train(kind, ColumnsOf(tables, (source, target)), settings)
            return cls(name, (source, target), shared, shared)
        first, second = ColumnsOf(tables, (source,)), ColumnsOf(tables, (target,))
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
        """Names of labels or tags; none where the target is text."""
        return self.target.names if isinstance(self.target, Labels) else ()

    @property
    def source_size(self) -> int:
        """Ids of source text, or labels that a text may start from."""
        known = len(self.starts.names) if self.starts else 0
        return known if self.roles[-1] == "text" else self.source.size

    @property
    def target_size(self) -> int:
        """Labels, or ids of target text."""
        return len(self.target.names) if isinstance(self.target, Labels) else self.target.size

    def encode_source(self, column: pa.ChunkedArray) -> Encoded:
        """Ids of the source side; -1 for a label that the training split does not have."""
        return self.starts.encode(column) if self.starts else self.source.encode(column.to_pylist())

    def encode_target(self, column: pa.ChunkedArray) -> Encoded:
        """Ids of the target side; -1 for a label that the training split does not have."""
        if isinstance(self.target, Labels):
            return self.target.encode(column)
        return self.target.encode(column.to_pylist())

    def encode(self, table: pa.Table) -> tuple[Encoded, Encoded]:
        """Ids of both sides; a text alone has no source."""
        target = self.encode_target(table.column(table.num_columns - 1))
        return self.encode_source(table.column(0)) if table.num_columns > 1 else ragged(
            [()] * table.num_rows
        ), target

    def words(self, rows: pa.ChunkedArray | pa.Array) -> Words | None:
        """The distinct words of rows of words and the rows as their numbers; none where words are not spelled."""
        return distinct_words(rows) if self.characters else None

    def spell(self, rows: Sequence[Sequence[str]]) -> tuple[Encoded, Encoded] | None:
        """The words of rows as numbers, and the spelling of each number; none where words are not spelled."""
        if self.characters is None:
            return None
        words, numbers = distinct_words(pa.array(rows, pa.list_(pa.string())))
        return numbers, self.characters.spell(words)

    def encode_with_offsets(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
        """Ids of raw texts as source, where each text starts, and the characters each id stands for, (ids, 2)."""
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
        """What a model says: a label, a list of tags, or a text.

        Args:
            ids: What it says.
            copied: For each id the token of the source text that it is a copy of, -1 for none.
            source: The source text.
        """
        if isinstance(self.target, Tokenizer):
            return self.target.decode(ids, self._copies(copied, source) if copied else ())
        names = self.target.decode(ids)
        return names[0] if self.roles[1] == "label" else names

    def _copies(self, copied: Sequence[int], source: str) -> list[str]:
        _, _, spans = self.source.encode_with_offsets([source])
        return [source[slice(*spans[place])] for place in copied if place >= 0]

    def cut(self, text: str) -> Any:
        """A raw text as this encoder's source side takes it."""
        return (
            [text[start:stop] for start, stop in self.spans(text)] if self.source.is_cut else text
        )

    def spans(self, text: str) -> list[Span]:
        """Where the tokens of a raw text stand that get tags, cut as the training tokens are."""
        return (
            self.cuts.spans(text, self.source.knows) if self.cuts else split_spans(self.kind, text)
        )

    def save(self, folder: Path) -> None:
        """Write the vocabularies as JSON; a user's file goes with them, so its original may go."""
        told: dict[str, Any] = {
            "kind": self.kind,
            "roles": self.roles,
            "source": self.source.as_json(),
            "target": None,
        }
        told["cuts"] = self.cuts.as_json() if self.cuts else None
        told["starts"] = self.starts.names if self.starts else None
        self.source.inner.save(str(folder / SOURCE_FILE))
        if isinstance(self.target, Labels):
            (folder / TARGET_FILE).write_text(
                json.dumps(self.target.names, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        elif self.target is not self.source:
            self.target.inner.save(str(folder / TARGET_FILE))
            told["target"] = self.target.as_json()
        if self.characters:
            text = json.dumps(self.characters.known, ensure_ascii=False)
            (folder / CHARACTERS_FILE).write_text(text + "\n", encoding="utf-8")
        (folder / ENCODER_FILE).write_text(json.dumps(told) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read what ``save`` wrote."""
        told = json.loads((folder / ENCODER_FILE).read_text())
        kind, roles = told["kind"], tuple(told["roles"])
        source = Tokenizer.read(folder / SOURCE_FILE, told["source"])
        if told["target"]:
            return cls(kind, roles, source, Tokenizer.read(folder / TARGET_FILE, told["target"]))
        if not (folder / TARGET_FILE).exists():
            return cls(
                kind,
                roles,
                source,
                source,
                starts=Labels(tuple(told["starts"])) if told["starts"] else None,
            )
        names, spelled = (
            json.loads((folder / TARGET_FILE).read_text(encoding="utf-8")),
            folder / CHARACTERS_FILE,
        )
        characters = (
            Characters(json.loads(spelled.read_text(encoding="utf-8")))
            if spelled.exists()
            else None
        )
        cuts = Cuts.read(told["cuts"]) if told.get("cuts") else None  # older token sets have none
        return cls(kind, roles, source, Labels(tuple(names)), characters, cuts=cuts)
