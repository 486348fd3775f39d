from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.text.html import html_spans, read_html

PIECES = st.lists(
    st.sampled_from(
        [
            "a",
            "é",
            "<b>",
            "</b>",
            "<",
            ">",
            "&amp;",
            "&#233;",
            "&#x1;",
            "&foo;",
            "&",
            ";",
            " ",
            "&NotEqualTilde;",
        ]
    )
)
each_way = pytest.mark.parametrize("html", ["strip", "unescape"])


@pytest.mark.parametrize(
    ("html", "text", "read"),
    [
        ("keep", "<b>&amp;</b>", "<b>&amp;</b>"),
        ("strip", "lumo<br />sela &amp;", "lumo sela &amp;"),
        ("unescape", "lumo<br />sela &amp;", "lumo sela &"),
        ("unescape", "1 &lt; 2 &gt; 3", "1 < 2 > 3"),
        ("unescape", "&amp;lt;", "&lt;"),
        ("unescape", "&#233;&#xE9;&eacute;", "ééé"),
        ("unescape", "&eacute AT&T &nothing;", "&eacute AT&T &nothing;"),
    ],
)
def test_html_is_handled_as_set(html: Any, text: str, read: str) -> None:
    assert read_html(html, [text]) == [read]


@each_way
@settings(max_examples=100, deadline=None)
@given(text=PIECES.map("".join))
def test_each_character_read_from_html_has_its_position(html: Any, text: str) -> None:
    read = read_html(html, [text])[0]
    spans = html_spans(html, text).tolist()
    assert len(spans) == len(read)
    for character, (start, stop) in zip(read, spans, strict=True):
        assert character in read_html(html, [text[start:stop]])[0]


def test_kept_html_has_unchanged_positions() -> None:
    assert html_spans("keep", "a<b").tolist() == [[0, 1], [1, 2], [2, 3]]
