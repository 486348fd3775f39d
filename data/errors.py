"""Errors about rows, and a suggestion for a wrong name."""

from collections.abc import Iterable
from difflib import get_close_matches


class RowError(ValueError):
    """Rows, a file or a catalog entry are wrong."""


# Common other names, where the nearest spelling would mislead.
SYNONYMS = {
    "iob2": "BIO",
    "iob": "IOB1",
    "bilou": "BIOES",
    "bioul": "BIOES",
    "iobes": "BIOES",
    "bmeso": "BMES",
    "tab": "tsv",
    "ndjson": "jsonl",
    "json": "jsonl",
    "txt": "text",
    "iob-2": "BIO",
    "word": "words",
    "char": "characters",
    "chars": "characters",
    "character": "characters",
    "sentencepiece": "unigram",
    "subword": "bpe",
    "classification": "sentiment",
    "tagging": "ner",
    "mt": "translation",
    "lm": "generation",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
}


def nearest(name: object, names: Iterable[object]) -> str:
    """Suggest a known name instead of ``name``, for the end of an error message."""
    known = sorted(map(str, names))
    meant = SYNONYMS.get(str(name).lower())
    close = [meant] if meant in known else get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(known)}"
