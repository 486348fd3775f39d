"""Pages: Markdown for the terminal and the run page, HTML with plots."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from data.text.invisible_characters import INVISIBLE_CHARACTER, skeleton
from tasks.figures.drawing import svg
from tasks.store.durable import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNS = re.compile(r"[\\`*_\[\]<>|~&#]")  # of Markdown and HTML
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto }
body { padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .25em .8em; border-bottom: 1px solid #ddd }
th { text-align: left; border-bottom: 2px solid #999 }
code { background: #f3f3f3; padding: 0 .2em; overflow-wrap: anywhere }
svg { max-width: 100%; height: auto }
"""


def write_html(path: Path, title: str, text: str, draw: Callable[[], Figure]) -> Path:
    """Write a page with its plots as one HTML file, unless it exists."""
    if not path.exists():
        body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
        head = '<!doctype html><html lang="en"><meta charset="utf-8">'
        head += f"<title>{html.escape(title)}</title>"
        write_text(path, f"{head}<style>{STYLE}</style>{body}{svg(draw())}</html>\n")
    return path


def table_row(name: str, cells: Iterable[str]) -> str:
    """Format a row of a Markdown table."""
    return f"| {name} |" + "".join(f" {cell} |" for cell in cells)


def shortened(text: str, most: int) -> str:
    """Cut a text after some characters, and mark that it goes on."""
    return text if len(text) <= most else text[:most] + " ..."


def plain(text: str) -> str:
    """Write a text in one line, without control and invisible characters."""
    written = "".join(
        c if _has_ink(c) else " " if c.isspace() else f"\\u{ord(c):04x}" for c in text
    )
    return " ".join(written.split())


def _has_ink(character: str) -> bool:
    return character.isprintable() and not INVISIBLE_CHARACTER.match(character)


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """Write names so that no two look the same: lookalikes are quoted with escapes.

    Returns:
        The text to show for each name.
    """
    known = list(dict.fromkeys(names))
    num_of_look = Counter(skeleton(name) for name in known)
    return {
        name: plain(name) if num_of_look[skeleton(name)] == 1 else _escaped(name) for name in known
    }


def _escaped(name: str) -> str:
    return name if name.isascii() and name == plain(name) else ascii(name)


def cell(text: str) -> str:
    """Escape a text for any position in a line of Markdown."""
    return SIGNS.sub(r"\\\g<0>", plain(text))


def code(text: str) -> str:
    """Format a text as code, between more backticks than it contains."""
    shown = plain(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    edge = " " if shown[:1] in ("", "`") or shown[-1:] == "`" else ""
    return f"{fence}{edge}{shown}{edge}{fence}"
