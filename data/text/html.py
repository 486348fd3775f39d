"""HTML in texts: markup read as a space, entities as the characters they stand for.

This is done before the library's normalizers, which cannot unescape and lose
what a markup's space stood for; the way back to the raw text is kept here.
"""

import re
from html import unescape
from html.entities import html5

import numpy as np
from numpy.typing import NDArray

from data.text.settings import Html

MARKUP = "<[^<>]+>"
ENTITY = "&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);"
# One pass for both: what an entity says is text, even if it looks like markup.
READ = {"strip": re.compile(MARKUP), "unescape": re.compile(f"{MARKUP}|{ENTITY}")}


def _said(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("<"):
        return " "
    return (
        unescape(text) if text.startswith("&#") else html5.get(text[1:], text)
    )  # unescape reads &nothing; as ¬hing;


def read_html(html: Html, texts: list[str]) -> list[str]:
    """Texts without their markup, entities unescaped if ``html`` says so."""
    if html == "keep":
        return texts
    pattern = READ[html]
    return [pattern.sub(_said, text) if "<" in text or "&" in text else text for text in texts]


def html_places(html: Html, text: str) -> NDArray[np.int64]:
    """Where each character of a text that was read starts and stops in the raw one, (N, 2)."""
    parts, last = [], 0
    cuts = (
        []
        if html == "keep"
        else [(*found.span(), len(_said(found))) for found in READ[html].finditer(text)]
    )
    for start, stop, num in [*cuts, (len(text), len(text), 0)]:
        alone = np.arange(last, start)
        parts += [
            np.stack([alone, alone + 1], axis=1),
            np.tile(np.array([[start, stop]]), (num, 1)),
        ]
        last = stop
    return np.concatenate(parts)
