"""Spans of tokens in the raw text, and the entities of tags as such spans."""

import re
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from data.text.html import html_spans, read_html
from data.text.settings import Html

Span = tuple[int, int]


class Entity(TypedDict):
    """A named span of a raw text, ``text[start:stop]``; a score is from 0 to 1."""

    kind: str
    start: int
    stop: int
    text: str
    score: NotRequired[float]


def split_spans(kind: str, text: str) -> list[Span]:
    """Find the spans of the tokens that a tagger tags: words, or characters without spaces."""
    return [found.span() for found in re.finditer(r"\S" if kind == "characters" else r"\S+", text)]


def split_text(kind: str, text: str) -> list[str]:
    """Cut a raw text into the tokens that a tagger tags: words, or characters without spaces."""
    return [text[start:stop] for start, stop in split_spans(kind, text)]


def token_span(spans: Sequence[Span], start: int, stop: int) -> Span:
    """Return the span of the tokens from ``start`` to ``stop``, exclusive."""
    return (int(spans[start][0]), int(spans[stop - 1][1]))


def entities(text: str, spans: Sequence[Span], tags: Sequence[str]) -> list[Entity]:
    """Find the entities of BIO tags as spans of the raw text.

    Strict, as in scoring: an ``I-`` that continues nothing is no entity.
    """
    found: list[Entity] = []
    opened = -1  # the token that opened the current entity
    for i, tag in enumerate([*tags, "O"]):
        if opened >= 0 and tag != f"I-{tags[opened][2:]}":
            start, stop = token_span(spans, opened, i)
            found.append(
                {"kind": tags[opened][2:], "start": start, "stop": stop, "text": text[start:stop]}
            )
            opened = -1
        if tag.startswith("B-"):
            opened = i
    return found


def raw_spans(
    texts: Sequence[str], html: Html, encoded: tuple[NDArray[np.int64], NDArray[np.int32]]
) -> NDArray[np.int32]:
    """Map the spans of a tokenizer to the characters of the raw texts.

    Spaces at the edges of a token are left out: in a tokenizer of pieces the
    space before a word belongs to its first piece.

    Args:
        texts: Raw texts, N of them.
        html: How the tokenizer's texts were read.
        encoded: Where the tokens of each text start, (N + 1,), and the
            characters of each token within its own text as read, (tokens, 2).
    """
    offsets, spans = encoded
    found = [np.zeros((0, 2), dtype=np.int64)]
    for i, (raw, text) in enumerate(zip(texts, read_html(html, list(texts)), strict=True)):
        inner = trimmed(text, spans[offsets[i] : offsets[i + 1]])
        found.append(inner if raw == text else moved(inner, html_spans(html, raw)))
    return np.concatenate(found).astype(np.int32)


def trimmed(text: str, spans: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Remove spaces from the edges of spans; a span of only spaces becomes empty at its end."""
    is_space = np.fromiter(map(str.isspace, text), bool, len(text))
    visible = np.flatnonzero(~is_space)
    first = np.searchsorted(visible, spans[:, 0])
    last = np.searchsorted(visible, spans[:, 1]) - 1
    edges = np.append(visible, 0)  # for a text of only spaces
    trim = np.stack([edges[np.minimum(first, len(visible))], edges[last] + 1], axis=1)
    return np.where((last < first)[:, None], spans[:, 1:], trim)


def moved(spans: NDArray[np.int64], characters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Map spans within the text as read to spans of the raw text.

    Args:
        spans: (tokens, 2).
        characters: The span in the raw text of each character as read, (N, 2).
    """
    starts, stops = spans.T
    is_empty = stops <= starts
    edges = np.concatenate(
        [characters, characters[-1:, ::-1] if len(characters) else np.zeros((1, 2), np.int64)]
    )
    begin = edges[starts, 0]
    return np.stack([begin, np.where(is_empty, begin, edges[stops - 1, 1])], axis=1)
