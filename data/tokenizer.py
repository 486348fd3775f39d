"""Texts to ids and back, by Hugging Face tokenizers; built from the training split only."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tokenizers as hf
from numpy.typing import NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from data.vocabulary import Labels, ragged

SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>")  # their ids are their places, in every vocabulary
SOURCE_FILE, TARGET_FILE, ENCODER_FILE = "source.json", "target.json", "encoder.json"
Encoded = tuple[NDArray[np.int32], NDArray[np.int64]]


def _about(default: Any, about: str, low: float = 0) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": None})


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """What steers tokenization; each kind of tokenizer has defaults of its own (``DEFAULTS``)."""

    vocabulary_size: int = _about(20_000, "Ids of a vocabulary, at most.", low=5)
    min_frequency: int = _about(2, "Times a token must stand in the training split.", low=1)
    lowercase: bool = _about(False, "Read capital letters as small ones.")
    max_length: int = _about(400, "Tokens of a training example, at most; longer ones are cut, pairs left out.", low=1)
    limit: int = _about(0, "Rows of the training split, at most, chosen by their content; 0 takes all.")

    def __post_init__(self) -> None:
        for declared in fields(self):
            value, low = getattr(self, declared.name), declared.metadata["low"]
            if type(value) is not declared.type:
                raise ValueError(f"{declared.name} must be of type {declared.type.__name__}, got {value!r}")  # type: ignore[union-attr]
            if value < low:
                raise ValueError(f"{declared.name} must be at least {low}, got {value!r}")


DEFAULTS = {
    "words": TokenSettings(lowercase=True, min_frequency=2, max_length=400),
    # Rare characters still say something (they are often names), and there are few.
    "characters": TokenSettings(vocabulary_size=8_000, min_frequency=2, max_length=200),
    "bpe": TokenSettings(vocabulary_size=6_000, max_length=60),
}


def split_text(kind: str, text: str) -> list[str]:
    """Cut a raw text into the tokens that a tagger tags: words, or characters without spaces."""
    return [c for c in text if not c.isspace()] if kind == "characters" else text.split()


def _new(kind: str, settings: TokenSettings, *, is_cut: bool) -> tuple[hf.Tokenizer, Any]:
    """An empty tokenizer and its trainer; ``is_cut`` if the rows are lists of tokens already."""
    shared: dict[str, Any] = {"special_tokens": list(SPECIAL), "vocab_size": settings.vocabulary_size, "show_progress": False}
    if kind == "bpe":
        made = hf.Tokenizer(models.BPE(unk_token=SPECIAL[1]))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer: Any = trainers.BpeTrainer(
            min_frequency=settings.min_frequency, limit_alphabet=settings.vocabulary_size - len(SPECIAL), **shared
        )
        steps: list[Any] = [normalizers.NFC()]
    else:
        made = hf.Tokenizer(models.WordLevel(unk_token=SPECIAL[1]))
        if not is_cut:
            split = pre_tokenizers.Split(hf.Regex("."), "isolated")
            made.pre_tokenizer = pre_tokenizers.Whitespace() if kind == "words" else split
        trainer = trainers.WordLevelTrainer(min_frequency=settings.min_frequency, **shared)
        markup = [] if is_cut else [normalizers.Replace(hf.Regex("<[^<>]+>"), " ")]
        steps = [*markup, normalizers.NFKC()]
    steps += [normalizers.Lowercase()] if settings.lowercase else []
    made.normalizer = normalizers.Sequence([*steps, normalizers.Replace(hf.Regex("<(?=(pad|unk|bos|eos)>)"), "< ")])
    return made, trainer


def _rows(columns: Sequence[pa.ChunkedArray]) -> Iterator[Any]:
    for column in columns:
        for chunk in column.chunks:
            for start in range(0, len(chunk), 4096):
                yield from chunk.slice(start, 4096).to_pylist()


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer of one side of the rows."""

    inner: hf.Tokenizer
    is_cut: bool

    def __post_init__(self) -> None:
        self.inner.encode_special_tokens = True  # a text that says <eos> does not end there; not saved in its file

    @classmethod
    def train(cls, kind: str, columns: Sequence[pa.ChunkedArray], settings: TokenSettings) -> "Tokenizer":
        """Build a vocabulary from columns of texts or of lists of tokens."""
        is_cut = pa.types.is_list(columns[0].type)
        inner, trainer = _new(kind, settings, is_cut=is_cut)
        inner.train_from_iterator(_rows(columns), trainer)
        return cls(inner, is_cut)

    @property
    def size(self) -> int:
        """Ids in the vocabulary, special ones included."""
        return self.inner.get_vocab_size()

    def encode(self, texts: Sequence[Any]) -> Encoded:
        """Ids of texts (or lists of tokens) end to end, and where each starts; an empty one reads as unknown."""
        found = self.inner.encode_batch_fast(list(texts), is_pretokenized=self.is_cut, add_special_tokens=False)
        return ragged((encoding.ids or [SPECIAL.index("<unk>")] for encoding in found), len(found))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids."""
        return str(self.inner.decode(list(ids)))


@dataclass(frozen=True)
class Encoder:
    """Both sides of a dataset's rows to ids, and a model's ids back to what a row says."""

    kind: str
    roles: tuple[str, str]
    source: Tokenizer
    target: Tokenizer | Labels

    @classmethod
    def build(cls, kind: str, train: pa.Table, settings: TokenSettings) -> "Encoder":
        """Build vocabularies from a training split with two columns, source and target.

        Two texts share one vocabulary, so that names and numbers are the same
        pieces on both sides.
        """
        source, target = (train[name] for name in train.column_names)
        roles = (train.column_names[0], train.column_names[1])
        if roles == ("source", "target"):
            shared = Tokenizer.train(kind, [source, target], settings)
            return cls(kind, roles, shared, shared)
        return cls(kind, roles, Tokenizer.train(kind, [source], settings), Labels.of(target))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels or tags; none where the target is text."""
        return self.target.names if isinstance(self.target, Labels) else ()

    @property
    def target_size(self) -> int:
        """Labels, or ids of target text."""
        return len(self.target.names) if isinstance(self.target, Labels) else self.target.size

    def encode_source(self, column: pa.ChunkedArray) -> Encoded:
        """Ids of the source side."""
        return self.source.encode(column.to_pylist())

    def encode_target(self, column: pa.ChunkedArray) -> Encoded:
        """Ids of the target side; -1 for a label that the training split does not have."""
        if isinstance(self.target, Labels):
            return self.target.encode(column)
        return self.target.encode(column.to_pylist())

    def decode(self, ids: Sequence[int]) -> Any:
        """What a model says: a label, a list of tags, or a text."""
        if isinstance(self.target, Tokenizer):
            return self.target.decode(ids)
        names = self.target.decode(ids)
        return names[0] if self.roles[1] == "label" else names

    def cut(self, text: str) -> Any:
        """A raw text as this encoder's source side takes it."""
        return split_text(self.kind, text) if self.source.is_cut else text

    def save(self, folder: Path) -> None:
        """Write the vocabularies as JSON."""
        self.source.inner.save(str(folder / SOURCE_FILE))
        is_shared = self.target is self.source
        if isinstance(self.target, Labels):
            (folder / TARGET_FILE).write_text(json.dumps(self.target.names, ensure_ascii=False) + "\n", encoding="utf-8")
        told = {"kind": self.kind, "roles": self.roles, "is_cut": self.source.is_cut, "is_shared": is_shared}
        (folder / ENCODER_FILE).write_text(json.dumps(told) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read what ``save`` wrote."""
        told = json.loads((folder / ENCODER_FILE).read_text())
        source = Tokenizer(hf.Tokenizer.from_file(str(folder / SOURCE_FILE)), told["is_cut"])
        roles = (told["roles"][0], told["roles"][1])
        if told["is_shared"]:
            return cls(told["kind"], roles, source, source)
        names = json.loads((folder / TARGET_FILE).read_text(encoding="utf-8"))
        return cls(told["kind"], roles, source, Labels(tuple(names)))
