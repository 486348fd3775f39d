"""HTML in texts: markup replaced by a space, entities by their characters.

This happens before the library's normalizers, which cannot unescape entities
and lose the positions of the markup; here the way back to the raw text is kept.
"""

import re
from html import unescape
from html.entities import html5

import numpy as np
from numpy.typing import NDArray

from data.text.settings import Html

MARKUP = "<[^<>]+>"
ENTITY = "&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);"
# One pass for both: an unescaped entity is text, even if it looks like markup.
READ = {"strip": re.compile(MARKUP), "unescape": re.compile(f"{MARKUP}|{ENTITY}")}


def _replacement(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("<"):
        return " "
    if text.startswith("&#"):
        return unescape(text)
    return html5.get(text[1:], text)  # unescape turns &nothing; into ¬hing;


def read_html(html: Html, texts: list[str]) -> list[str]:
    """Remove markup from texts, and unescape entities if ``html`` is ``unescape``."""
    if html == "keep":
        return texts
    pattern = READ[html]
    return [
        pattern.sub(_replacement, text) if "<" in text or "&" in text else text for text in texts
    ]


def html_spans(html: Html, text: str) -> NDArray[np.int64]:
    """Return the span in the raw text of each character of the text as read, (N, 2)."""
    parts = []
    last = 0
    cuts = (
        []
        if html == "keep"
        else [(*found.span(), len(_replacement(found))) for found in READ[html].finditer(text)]
    )
    for start, stop, num in [*cuts, (len(text), len(text), 0)]:
        alone = np.arange(last, start)
        parts += [
            np.stack([alone, alone + 1], axis=1),
            np.tile(np.array([[start, stop]]), (num, 1)),
        ]
        last = stop
    return np.concatenate(parts)
