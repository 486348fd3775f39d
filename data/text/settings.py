"""Settings of tokenization: kinds of tokenizers and the defaults of each."""

from dataclasses import dataclass, field, fields, replace
from pathlib import PurePath
from typing import Any, Literal, get_args, get_origin

KINDS = ("words", "characters", "bpe", "unigram", "wordpiece")
SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>")  # in every vocabulary, their ids are 0 to 3
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(len(SPECIAL))
UnicodeForm = Literal["NFC", "NFKC", "none"]
Html = Literal["keep", "strip", "unescape"]


def _about(default: Any, about: str, low: float | None = None) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": None})


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Settings of tokenization; ``DEFAULTS`` has those of each kind of tokenizer."""

    vocabulary_size: int = _about(20_000, "Ids of a vocabulary, at most.", low=5)
    min_frequency: int = _about(
        2,
        "Times a token must stand in the training split; of unigram, each of its characters.",
        low=1,
    )
    unicode: UnicodeForm = _about(
        "NFC", "Unicode form that texts are brought to; NFKC also reads ﬁ as fi and ½ as 1⁄2."
    )
    lowercase: bool = _about(False, "Read capital letters as small ones.")
    strip_accents: bool = _about(False, "Read letters without their accents.")
    html: Html = _about(
        "keep",
        "Strip markup from texts, or also unescape entities such as &amp;; cut tokens keep theirs.",
    )
    digits: bool = _about(False, "Read every digit as 0.")
    joint: bool = _about(
        True, "Source and target text share one vocabulary; else each has its own."
    )
    max_length: int = _about(
        400, "Tokens of a training example, at most; longer ones are cut, pairs left out.", low=1
    )
    vectors: str = _about(
        "",
        "Word vectors that training starts from: a file in text as of GloVe or word2vec, or "
        "self and dataset:NAME, whose training rows they are learned from; empty for none.",
    )
    vectors_size: int = _about(
        150, "Numbers of a learned word vector; embedding_size must be the same.", low=2
    )
    # 100,000 words of 100 numbers are 40 MB of every model.
    vectors_limit: int = _about(
        100_000, "Words with a vector known beside those of training, at most, in its order.", low=0
    )
    limit: int = _about(
        0, "Rows of the training split, at most, chosen by their content; 0 takes all.", low=0
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            name = declared.name
            kind = declared.type
            value = getattr(self, name)
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    raise ValueError(
                        f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}"
                    )
            elif type(value) is not kind:
                expected = getattr(kind, "__name__", kind)
                raise ValueError(f"{name} must be of type {expected}, got {value!r}")
            elif declared.metadata["low"] is not None and value < declared.metadata["low"]:
                raise ValueError(
                    f"{name} must be at least {declared.metadata['low']}, got {value!r}"
                )


DEFAULTS = {
    # An input may lose forms of a letter, capitals and markup, which rarely change its meaning.
    "words": TokenSettings(unicode="NFKC", html="strip", lowercase=True),
    # Rare characters carry meaning (they are often names), and there are few.
    "characters": TokenSettings(
        unicode="NFKC", html="strip", vocabulary_size=8_000, max_length=200
    ),
    # An output looks as its publisher writes it, so pieces keep all but the composition of letters.
    "bpe": TokenSettings(vocabulary_size=6_000, max_length=60),
    "unigram": TokenSettings(vocabulary_size=6_000, max_length=60),
    "wordpiece": TokenSettings(vocabulary_size=6_000, max_length=60),
}
# A generated text is reproduced to the last character, however long it is.
WHOLE = 10_000_000
GENERATED: dict[str, Any] = {
    "unicode": "NFC",
    "html": "keep",
    "lowercase": False,
    "max_length": WHOLE,
}
# A user's file has its vocabulary and its normalization; other settings are applied before it.
FILE_DEFAULTS = TokenSettings(unicode="none")


def is_tokenizer_file(kind: str) -> bool:
    """Whether the tokenizer of an entry is a user's tokenizer.json rather than a kind."""
    return PurePath(kind).suffix == ".json"


def default_settings(kind: str, *, is_generated: bool = False) -> TokenSettings:
    """Return the defaults of a kind, or of a user's tokenizer.json.

    ``is_generated`` is for texts that a model generates.
    """
    if is_tokenizer_file(kind):
        return replace(FILE_DEFAULTS, max_length=WHOLE) if is_generated else FILE_DEFAULTS
    # A model cannot generate an unknown character.
    rare: dict[str, Any] = {"min_frequency": 1} if kind == "characters" else {}
    return replace(DEFAULTS[kind], **GENERATED, **rare) if is_generated else DEFAULTS[kind]
