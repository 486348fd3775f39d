import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.text.encoder import (
    DEFAULTS,
    KINDS,
    SPECIAL,
    WHOLE_TOKENS,
    Encoder,
    Tokenizer,
    TokenSettings,
    split_text,
)
from data.text.train_tokenizer import settled_scores

WORDS = (
    "lumo",
    "sela",
    "nuri",
    "grak",
    "dosh",
    "vek",
    "Ursa",
    "Kalo",
    "中文",
    "très",
    "naïf",
    "5",
    "!",
)
ANY = TokenSettings(min_frequency=1)
SHAPES = {"label": ("text", "label"), "tags": ("tokens", "tags"), "text": ("source", "target")}


def made_texts(num: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, 8))) for _ in range(num)]


def made_table(shape: str, kind: str = "words", num: int = 200) -> pa.Table:
    texts = made_texts(num)
    roles = SHAPES[shape]
    if shape == "tags":
        rows = [split_text(kind, text) for text in texts]
        return pa.table(
            {
                roles[0]: rows,
                roles[1]: [["B-X" if token[0] in "UK" else "O" for token in row] for row in rows],
            }
        )
    return pa.table(
        {
            roles[0]: texts,
            roles[1]: [text[::-1] if shape == "text" else "np"[len(text) % 2] for text in texts],
        }
    )


def column(*rows: Any) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(rows)])


def rows_of(encoded: tuple[Any, Any]) -> list[list[int]]:
    ids, offsets = encoded
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


def known(tokenizer: Tokenizer) -> dict[str, int]:
    found: dict[str, int] = tokenizer.inner.get_vocab()
    return found


each_kind = pytest.mark.parametrize("kind", KINDS)
each_kind_and_shape = pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (kind, shape)
        for kind in KINDS
        for shape in SHAPES
        if shape != "tags" or kind in WHOLE_TOKENS
    ],
)


@each_kind
def test_tokenizer_kind_has_default_settings(kind: str) -> None:
    assert isinstance(DEFAULTS[kind], TokenSettings)


@each_kind_and_shape
def test_special_ids_are_the_same_in_every_vocabulary(kind: str, shape: str) -> None:
    encoder = Encoder.build(kind, made_table(shape, kind), ANY)
    assert [known(encoder.source)[name] for name in SPECIAL] == [0, 1, 2, 3]


NAMED = ["<pad>", "<eos>", "<unk>", "<bos>"], "<pad> lumo<eos> <unk>x <PAD> <bos>"


@pytest.mark.parametrize(
    ("kind", "row"), [(kind, row) for kind in KINDS for row in NAMED[kind not in WHOLE_TOKENS :]]
)
def test_rows_with_names_of_special_ids_do_not_get_these_ids(kind: str, row: Any) -> None:
    tokenizer = Tokenizer.train(
        kind, [column(*[row] * 3)], TokenSettings(min_frequency=1, lowercase=True)
    )
    assert [known(tokenizer)[name] for name in SPECIAL] == [0, 1, 2, 3]
    assert not {0, 2, 3} & set(tokenizer.encode([row])[0].tolist())


@each_kind_and_shape
def test_ids_are_within_the_vocabulary(kind: str, shape: str) -> None:
    encoder = Encoder.build(kind, table := made_table(shape, kind), ANY)
    ids = encoder.encode_source(table.column(0))[0]
    assert 4 <= ids.min() <= ids.max() < encoder.source.size


@each_kind
def test_tokens_missing_from_the_training_split_are_unknown(kind: str) -> None:
    tokenizer = Tokenizer.train(kind, [column(*["lumo sela"] * 3)], ANY)
    assert set(tokenizer.encode(["ж"])[0].tolist()) <= {
        1,
        *(known(tokenizer)[t] for t in known(tokenizer) if t == "▁"),
    }


@each_kind
@pytest.mark.parametrize("shape", ["label", "text"])
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_text_has_one_id(kind: str, shape: str, text: str) -> None:
    encoder = Encoder.build(kind, made_table(shape), ANY)
    assert all(rows_of(encoder.encode_source(column(text, "lumo", text))))


@each_kind_and_shape
def test_saved_and_loaded_encoder_gives_the_same_ids(kind: str, shape: str, tmp_path: Path) -> None:
    table = made_table(shape, kind)
    encoder = Encoder.build(kind, table.slice(0, 150), DEFAULTS[kind])
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    strange = ["<eos>lumo", "ж", "<pad>"]
    seen = pa.chunked_array(
        [*table.column(0).chunks, pa.array([strange] if shape == "tags" else strange)]
    )
    assert rows_of(loaded.encode_source(seen)) == rows_of(encoder.encode_source(seen))
    assert rows_of(loaded.encode_target(table.column(1))) == rows_of(
        encoder.encode_target(table.column(1))
    )
    assert (loaded.kind, loaded.roles, loaded.labels) == (
        encoder.kind,
        encoder.roles,
        encoder.labels,
    )
    assert (loaded.target_size, loaded.target is loaded.source) == (
        encoder.target_size,
        encoder.target is encoder.source,
    )


@each_kind_and_shape
def test_equal_rows_give_an_equal_vocabulary(kind: str, shape: str) -> None:
    table = made_table(shape, kind)
    first, second = (Encoder.build(kind, table, DEFAULTS[kind]) for _ in range(2))
    assert first.source.inner.to_str() == second.source.inner.to_str()


@each_kind
def test_encoding_other_rows_does_not_change_a_vocabulary(kind: str) -> None:
    encoder = Encoder.build(kind, made_table("label"), ANY)
    before = known(encoder.source)
    encoder.encode_source(column("brand new wordsж"))
    assert known(encoder.source) == before


@each_kind
@pytest.mark.parametrize("size", [5, 8, 12, 20])
def test_vocabulary_does_not_exceed_its_limit(kind: str, size: int) -> None:
    assert (
        Tokenizer.train(kind, [column(*made_texts(100))], TokenSettings(vocabulary_size=size)).size
        <= size
    )


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_full_vocabulary_keeps_the_most_frequent_tokens(kind: str) -> None:
    rows = column(["a", "a", "a", "b", "b", "c"], ["a", "b", "d", "d"])
    tokenizer = Tokenizer.train(kind, [rows], TokenSettings(vocabulary_size=6, min_frequency=1))
    assert set(known(tokenizer)) - set(SPECIAL) == {"a", "b"}


@pytest.mark.parametrize(
    ("min_frequency", "kept"), [(1, {"a", "b", "c"}), (2, {"a", "b"}), (3, {"a"}), (4, set())]
)
@pytest.mark.parametrize("is_cut", [False, True])
def test_word_below_the_minimum_frequency_is_unknown(
    min_frequency: int, kept: set[str], is_cut: bool
) -> None:
    texts = ["a b a", "b a c"]
    rows = column(*([text.split() for text in texts] if is_cut else texts))
    tokenizer = Tokenizer.train("words", [rows], TokenSettings(min_frequency=min_frequency))
    assert set(known(tokenizer)) - set(SPECIAL) == kept


def test_lowercase_setting_ignores_case() -> None:
    tokenizer = Tokenizer.train(
        "words", [column("lumo sela")], TokenSettings(min_frequency=1, lowercase=True)
    )
    assert rows_of(tokenizer.encode(["LUMO Sela"])) == rows_of(tokenizer.encode(["lumo sela"]))


def test_markup_is_removed_unless_kept_by_the_setting() -> None:
    tokenizer = Tokenizer.train(
        "words", [column("lumo<br />sela")], replace(DEFAULTS["words"], min_frequency=1)
    )
    assert set(known(tokenizer)) - set(SPECIAL) == {"lumo", "sela"}


def test_source_and_target_texts_share_a_vocabulary() -> None:
    encoder = Encoder.build(
        "bpe", pa.table({"source": ["lumo 5"] * 3, "target": ["sela 5"] * 3}), ANY
    )
    assert encoder.target is encoder.source
    assert {"▁lumo", "▁sela"} <= set(known(encoder.source))


def test_source_and_target_texts_have_separate_vocabularies_when_set(tmp_path: Path) -> None:
    table = pa.table({"source": ["lumo 5"] * 3, "target": ["sela 5"] * 3})
    Encoder.build("bpe", table, TokenSettings(joint=False)).save(tmp_path)
    encoder = Encoder.load(tmp_path)
    assert isinstance(encoder.target, Tokenizer)
    assert encoder.target is not encoder.source
    assert ("▁lumo" in known(encoder.source), "▁sela" in known(encoder.source)) == (True, False)
    assert ("▁lumo" in known(encoder.target), "▁sela" in known(encoder.target)) == (False, True)
    assert encoder.decode(encoder.encode_target(column("sela 5"))[0].tolist()) == "sela 5"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(WHOLE_TOKENS)))
def test_tags_with_a_subword_tokenizer_raise(kind: str) -> None:
    with pytest.raises(RowError, match=f"must be one of words, characters, got '{kind}'"):
        Encoder.build(kind, made_table("tags"), ANY)


@each_kind_and_shape
def test_stream_of_tables_gives_the_same_vocabulary_as_one_table(kind: str, shape: str) -> None:
    table = made_table(shape, kind)
    expected = Encoder.build(kind, table, ANY)
    parts = Encoder.build(kind, [table.slice(0, 70), table.slice(70, 1), table.slice(71)], ANY)
    assert parts.source.inner.to_str() == expected.source.inner.to_str()
    assert (parts.labels, parts.target_size) == (expected.labels, expected.target_size)


def test_empty_training_split_raises() -> None:
    with pytest.raises(RowError, match="the training split has no rows"):
        Encoder.build("words", [], ANY)


def decoded(tokenizer: Tokenizer, text: str) -> str:
    return tokenizer.decode(tokenizer.encode([text])[0].tolist())


PAIRS = {
    kind: Encoder.build(kind, made_table("text"), replace(DEFAULTS[kind], min_frequency=1)).source
    for kind in KINDS
}
TAGGERS = {
    kind: Tokenizer.train(kind, [made_table("tags", kind).column(0)], ANY)
    for kind in ("words", "characters")
}
LETTERS = sorted(set("".join(WORDS)) - {"5"})


@pytest.mark.parametrize("kind", ["bpe", "unigram", "characters"])
@settings(max_examples=50, deadline=None)
@given(st.text(LETTERS, min_size=1), st.text([*LETTERS, " "]))
def test_text_of_known_letters_is_restored_from_its_subwords(
    kind: str, first: str, rest: str
) -> None:
    text = first + rest
    assert decoded(PAIRS[kind], text) == (text.lower() if DEFAULTS[kind].lowercase else text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(LETTERS, min_size=1), min_size=1))
def test_words_of_known_letters_are_restored_from_continued_wordpieces(words: list[str]) -> None:
    assert decoded(PAIRS["wordpiece"], " ".join(words)) == " ".join(words)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_known_words_are_restored_in_lower_case(words: list[str]) -> None:
    assert decoded(PAIRS["words"], " ".join(words)) == " ".join(words).lower()


@settings(max_examples=50, deadline=None)
@given(st.text("ab \n\r\u2028", min_size=1))
def test_line_end_is_encoded_as_a_character(text: str) -> None:
    table = pa.table({"source": ["a b\n\r\u2028"], "target": ["a"]})
    tokenizer = Encoder.build(
        "characters", table, replace(DEFAULTS["characters"], min_frequency=1)
    ).source
    ids = tokenizer.encode([text])[0].tolist()
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text


@each_kind
def test_special_ids_are_omitted_from_decoded_text(kind: str) -> None:
    ids = PAIRS[kind].encode(["lumo sela"])[0].tolist()
    assert PAIRS[kind].decode([2, *ids, 3, 0, 0]) == "lumo sela"


@each_kind
@pytest.mark.parametrize(
    ("changed", "one", "other"),
    [
        ({"unicode": "NFKC"}, "ﬁne ½", "fine 1⁄2"),
        ({"unicode": "NFC"}, "cafe\u0301", "café"),
        ({"strip_accents": True}, "très naïf sé\u0323la", "tres naif sela"),
        ({"strip_accents": True, "lowercase": True}, "ÉTÉ", "ete"),
        ({"lowercase": True}, "LUMO", "lumo"),
        ({"digits": True}, "lumo 19٣4", "lumo 0000"),
        ({"html": "strip"}, "lumo<br/>sela", "lumo sela"),
        ({"html": "unescape"}, "lumo &amp;&#x20;&quot;<i>&eacute;", 'lumo & " é'),
        ({"html": "unescape"}, "1 &lt; 2", "1 < 2"),
    ],
)
def test_normalization_settings_make_texts_equal(
    kind: str, changed: dict[str, Any], one: str, other: str
) -> None:
    rows = [column(*[one, other, "lumo sela 0 1 2 3 5"] * 3)]
    plain = {"min_frequency": 1, "unicode": "none"}
    tokenizer = Tokenizer.train(kind, rows, TokenSettings(**plain | changed))
    untouched = Tokenizer.train(kind, rows, TokenSettings(**plain))
    assert rows_of(tokenizer.encode([one])) == rows_of(tokenizer.encode([other]))
    assert rows_of(untouched.encode([one])) != rows_of(untouched.encode([other]))


def test_strip_accents_keeps_hangul() -> None:
    tokenizer = Tokenizer.train(
        "characters", [column("한국")], TokenSettings(min_frequency=1, strip_accents=True)
    )
    assert {"한", "국"} <= set(known(tokenizer))


TOKEN = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.sampled_from(
        [
            *SPECIAL,
            *WORDS,
            "a<pad>b",
            "<b>",
            "▁",
            "\ufdfa",
            "\u0301",
            "½",
            "\u200b",
            "\u00ad",
            "ﬃ",
            "\U000e0001",
        ]
    ),
)


EVERYTHING = TokenSettings(
    min_frequency=1,
    unicode="NFKC",
    lowercase=True,
    strip_accents=True,
    html="unescape",
    digits=True,
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(TOKEN, min_size=1, max_size=8), min_size=1, max_size=6),
    st.sampled_from(["words", "characters"]),
)
def test_row_of_tokens_has_one_id_per_token_for_any_normalization(
    rows: list[list[str]], kind: str
) -> None:
    tokenizer = Tokenizer.train(kind, [column(*rows)], EVERYTHING)
    assert [len(ids) for ids in rows_of(tokenizer.encode(rows))] == [len(row) for row in rows]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(TOKEN, min_size=1, max_size=8), min_size=1, max_size=6),
    st.sampled_from(["words", "characters"]),
)
def test_row_of_tokens_has_one_id_per_token(rows: list[list[str]], kind: str) -> None:
    assert [len(ids) for ids in rows_of(TAGGERS[kind].encode(rows))] == [len(row) for row in rows]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(TOKEN, min_size=1, max_size=8), min_size=1, max_size=6),
    st.sampled_from(["words", "characters"]),
)
def test_row_of_cached_tokens_has_one_id_per_token(rows: list[list[str]], kind: str) -> None:
    tokenizer = Tokenizer.train(kind, [column(*rows)], ANY)
    found = rows_of(tokenizer.encode(rows))
    assert [len(ids) for ids in found] == [len(row) for row in rows]
    assert not {0, 1, 2, 3} & {i for ids in found for i in ids}


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["words", "characters"]))
def test_raw_text_is_split_into_one_token_per_id(text: str, kind: str) -> None:
    encoder = Encoder.build(kind, made_table("tags", kind, num=2), ANY)
    tokens = encoder.cut(text)
    assert "".join(tokens) == "".join(text.split())
    assert not tokens or len(encoder.source.encode([tokens])[0]) == len(tokens)


@each_kind
def test_generated_texts_are_not_split_into_words(kind: str) -> None:
    assert Encoder.build(kind, made_table("label"), ANY).cut("lumo sela") == "lumo sela"


@pytest.mark.parametrize("shape", ["label", "tags"])
def test_target_ids_are_decoded_to_the_row(shape: str) -> None:
    encoder = Encoder.build("words", table := made_table(shape), ANY)
    ids = rows_of(encoder.encode_target(table.column(1)))
    assert [encoder.decode(row) for row in ids] == table.column(1).to_pylist()


def test_label_missing_from_the_training_split_is_minus_one() -> None:
    encoder = Encoder.build("words", made_table("label"), ANY)
    assert encoder.encode_target(column("n", "mixed"))[0].tolist() == [0, -1]


def test_training_split_of_one_label_raises() -> None:
    with pytest.raises(RowError, match="the training split has 1 label"):
        Encoder.build("words", pa.table({"text": ["lumo", "sela"], "label": ["n", "n"]}), ANY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary_size": 4}, "vocabulary_size must be at least 5, got 4"),
        ({"min_frequency": 0}, "min_frequency must be at least 1, got 0"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
        ({"limit": -1}, "limit must be at least 0, got -1"),
        ({"lowercase": 1}, "lowercase must be of type bool, got 1"),
        ({"unicode": "NFX"}, "unicode must be one of NFC, NFKC, none, got 'NFX'"),
        ({"html": True}, "html must be one of keep, strip, unescape, got True"),
        ({"max_length": 4.0}, "max_length must be of type int, got 4.0"),
        ({"max_length": True}, "max_length must be of type int, got True"),
    ],
)
def test_invalid_settings_raise(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenSettings(**changes)


def test_unigram_scores_do_not_depend_on_character_order_of_the_library() -> None:
    pieces = {"lumo": -2.0, "a": -3.0, "sela": -9.0}
    one = settled_scores(pieces | {"b": -8.9999, "c": -8.9998}, 3)
    assert (
        one
        == settled_scores(pieces | {"c": -8.9999000001, "b": -8.9998}, 3)
        == pieces | {"b": -9.0, "c": -9.0}
    )


def test_script_with_more_characters_than_ids_keeps_the_frequent_ones() -> None:
    rows = [chr(0x4E00 + n) * (100 - n) for n in range(60)]
    tokenizer = Tokenizer.train(
        "unigram", [column(*rows)], TokenSettings(vocabulary_size=30, min_frequency=1)
    )
    assert tokenizer.size == 30
    assert {chr(0x4E00 + n) for n in range(5)} <= set("".join(known(tokenizer)))


def test_added_words_get_the_last_ids_if_a_text_can_contain_them():
    plain = Tokenizer.train(
        "words", [pa.chunked_array([["lumo sela lumo sela"]])], TokenSettings(lowercase=True)
    )
    words = ["vek", "lumo", "Wirrel", "u.s.", "<unk>", "vek", "tebo", "", "a b", "drom"]
    found = plain.with_words(words, 2)
    assert (found.num_fixed, found.names) == (2, [*plain.names, "vek", "tebo"])
    assert found.encode(["VEK lumo drom"])[0].tolist() == [
        plain.size,
        *plain.encode(["lumo drom"])[0],
    ]


def test_added_words_of_token_rows_may_contain_separators():
    plain = Tokenizer.train("words", [pa.chunked_array([[["lumo", "lumo"]]])], TokenSettings())
    found = plain.with_words(["u.s.", "a b"], 5)
    assert found.encode([["u.s.", "a b", "vek"]])[0].tolist() == [plain.size, plain.size + 1, 1]


def test_added_words_are_saved_with_the_tokenizer(tmp_path):
    found = Tokenizer.train(
        "words", [pa.chunked_array([["lumo lumo"]])], TokenSettings()
    ).with_words(["vek"], 5)
    found.inner.save(str(tmp_path / "one.json"))
    again = Tokenizer.read(tmp_path / "one.json", found.as_json())
    assert (again.names, again.num_fixed) == (found.names, 1)
