"""A user's tokenizer.json: read, checked, and its ids brought into our order."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers as hf
from numpy.typing import NDArray
from tokenizers import normalizers

from data.errors import RowError
from data.text.settings import BOS_ID, EOS_ID, PAD_ID, SPECIAL, UNK_ID, TokenSettings
from data.text.train_tokenizer import normalizer_steps

# Other names of our special tokens, in the order of the search.
NAMES = (
    ("<pad>", "[PAD]"),
    ("<unk>", "[UNK]"),
    ("<bos>", "<s>", "[CLS]", "[BOS]"),
    ("<eos>", "</s>", "[SEP]", "[EOS]", "<|endoftext|>"),
)


@dataclass(frozen=True)
class Renumbering:
    """The ids of a file to ours, special ids first, and back."""

    ours: NDArray[np.int32]
    theirs: NDArray[np.int32]

    @classmethod
    def of(cls, inner: hf.Tokenizer) -> "Renumbering":
        """Put the special ids first; the others keep their order, without gaps."""
        vocabulary = inner.get_vocab()
        special = [vocabulary[name] for name in special_names(inner) if name]
        theirs = np.asarray(
            [*special, *sorted(set(vocabulary.values()) - set(special))], dtype=np.int32
        )
        ours = np.full(int(theirs.max()) + 1, UNK_ID, dtype=np.int32)
        ours[theirs] = np.arange(len(theirs))
        ours[theirs[[PAD_ID, BOS_ID, EOS_ID]]] = UNK_ID  # a literal </s> does not end a text
        return cls(ours, theirs)


def special_names(inner: hf.Tokenizer) -> list[str]:
    """Find a tokenizer's names of our special tokens, in our order; empty for a missing one."""
    vocabulary = inner.get_vocab()
    unknown = getattr(inner.model, "unk_token", None)
    names = [NAMES[0], (unknown, *NAMES[1]) if unknown else NAMES[1], *NAMES[2:]]
    return [next((name for name in known if name in vocabulary), "") for known in names]


def read_tokenizer_file(path: Path, settings: TokenSettings) -> hf.Tokenizer:
    """Read a tokenizer.json, add missing special tokens, and put our normalizers before its own.

    Raises:
        RowError: If there is no such file or it holds no tokenizer.
    """
    try:
        inner = hf.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RowError(f"there is no tokenizer file {path}") from error
    except Exception as error:  # the library raises nothing narrower
        raise RowError(
            f"{path} is not a tokenizer.json as tokenizers {hf.__version__} reads it: {error}"
        ) from error
    inner.no_padding()
    inner.no_truncation()
    inner.add_special_tokens(
        [ours for ours, theirs in zip(SPECIAL, special_names(inner), strict=True) if not theirs]
    )
    steps = normalizer_steps(settings)
    if steps:
        inner.normalizer = normalizers.Sequence(
            [*steps, *([inner.normalizer] if inner.normalizer else [])]
        )
    return inner
