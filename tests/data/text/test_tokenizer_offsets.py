"""From ids back to the characters of the raw text."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.text.encoder import DEFAULTS, KINDS, Encoder, Tokenizer

WORDS = ("lumo", "Sela", "très", "5", "中文", "ﬁne", "½", "İs", "a\u0323")
TEXTS = [" ".join(WORDS), "Sela lumo.", "lumo <b>Sela</b> &eacute;"]
READ = {"words": "words", "unescaped words": "words"} | {
    kind: kind for kind in KINDS if kind != "words"
}


def make_tokenizer(name: str) -> Tokenizer:
    kind = READ[name]
    changed = replace(
        DEFAULTS[kind],
        min_frequency=1,
        html="unescape" if name.startswith("unescaped") else DEFAULTS[kind].html,
    )
    return Tokenizer.train(kind, [pa.chunked_array([pa.array(TEXTS)])], changed)


TOKENIZERS = {name: make_tokenizer(name) for name in READ}
ANY_TEXT = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.lists(
        st.sampled_from(
            [
                *WORDS,
                "<b>",
                "&amp;",
                "&#x1;",
                "&NotEqualTilde;",
                "<",
                "\u0301",
                " ",
                "\u00a0",
                "<pad>",
            ]
        )
    ).map("".join),
)
each_tokenizer = pytest.mark.parametrize("name", READ)


@each_tokenizer
@settings(max_examples=100, deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_encoding_with_offsets_gives_the_same_ids(name: str, texts: list[str]) -> None:
    ids, offsets, spans = TOKENIZERS[name].encode_with_offsets(texts)
    expected = TOKENIZERS[name].encode(texts)
    assert (ids.tolist(), offsets.tolist()) == (expected[0].tolist(), expected[1].tolist())
    assert (spans.dtype, spans.shape) == (np.int32, (len(ids), 2))


@each_tokenizer
@settings(max_examples=100, deadline=None)
@given(ANY_TEXT)
def test_spans_are_ordered_within_the_text_and_stripped_of_spaces(name: str, text: str) -> None:
    _, _, spans = TOKENIZERS[name].encode_with_offsets([text])
    assert ((spans[:, 0] >= 0) & (spans[:, 0] <= spans[:, 1]) & (spans[:, 1] <= len(text))).all()
    assert (np.diff(spans[:, 0]) >= 0).all()
    parts = [text[start:stop] for start, stop in spans]
    if "&" not in text:
        assert parts == [part.strip() for part in parts]


@pytest.mark.parametrize("name", ["words", "unescaped words"])
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([" ", "  ", "\n", "\u00a0", "<br/>", " <i> "]),
            st.sampled_from(WORDS[:5]),
        ),
        min_size=1,
    )
)
def test_span_of_a_word_contains_the_word(name: str, parts: list[tuple[str, str]]) -> None:
    text = "".join(space + word for space, word in parts) + "<p>"
    _, _, spans = TOKENIZERS[name].encode_with_offsets([text])
    assert [text[start:stop] for start, stop in spans] == [word for _, word in parts]


@pytest.mark.parametrize("name", ["bpe", "unigram", "wordpiece"])
@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(WORDS[:5]), min_size=1))
def test_subwords_of_known_words_cover_all_but_the_spaces(name: str, words: list[str]) -> None:
    text = " ".join(words)
    _, _, spans = TOKENIZERS[name].encode_with_offsets([text])
    found = {position for start, stop in spans for position in range(start, stop)}
    assert found == {position for position, character in enumerate(text) if character != " "}


def test_span_of_an_html_entity_covers_it_as_written() -> None:
    text = "lumo &eacute; <b>Sela</b>&amp;lumo"
    _, _, spans = TOKENIZERS["unescaped words"].encode_with_offsets([text])
    assert [text[start:stop] for start, stop in spans] == [
        "lumo",
        "&eacute;",
        "Sela",
        "&amp;",
        "lumo",
    ]


@each_tokenizer
def test_empty_text_has_no_spans(name: str) -> None:
    assert TOKENIZERS[name].encode_with_offsets([""])[2].tolist() == [[0, 0]]


@pytest.mark.parametrize("kind", ["words", "characters"])
@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_truncated_text_has_the_spans_of_its_tokens(kind: str, texts: list[str]) -> None:
    table = pa.table({"tokens": [["lumo", "Sela"]] * 2, "tags": [["O", "B-X"]] * 2})
    encoder = Encoder.build(kind, table, DEFAULTS[kind])
    ids, offsets, spans = encoder.encode_with_offsets(texts)
    assert len(spans) == len(ids) == offsets[-1]
    for i, text in enumerate(texts):
        row = spans[offsets[i] : offsets[i + 1]].tolist()
        assert [text[start:stop] for start, stop in row] == (encoder.cut(text) or [""])


def test_saved_and_loaded_tokenizer_gives_the_same_offsets(tmp_path: Path) -> None:
    settings = replace(DEFAULTS["words"], html="unescape")
    Encoder.build(
        "words", pa.table({"text": TEXTS * 2, "label": ["n", "p", "n"] * 2}), settings
    ).save(tmp_path)
    text = "Sela&amp;lumo"
    assert Encoder.load(tmp_path).encode_with_offsets([text])[2].tolist() == [
        [0, 4],
        [4, 9],
        [9, 13],
    ]
