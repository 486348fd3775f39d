import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalog import TOKENIZER_KINDS
from data.errors import RowError
from data.tokenizer import DEFAULTS, SPECIAL, Encoder, Tokenizer, TokenSettings, split_text

WORDS = ("lumo", "sela", "nuri", "grak", "dosh", "vek", "Ursa", "Kalo", "中文", "très", "naïf", "5", "!")
ANY = TokenSettings(min_frequency=1)
SHAPES = {"label": ("text", "label"), "tags": ("tokens", "tags"), "text": ("source", "target")}


def made_texts(num: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, 8))) for _ in range(num)]


def made_table(shape: str, kind: str = "words", num: int = 200) -> pa.Table:
    texts, roles = made_texts(num), SHAPES[shape]
    if shape == "tags":
        rows = [split_text(kind, text) for text in texts]
        return pa.table({roles[0]: rows, roles[1]: [["B-X" if token[0] in "UK" else "O" for token in row] for row in rows]})
    return pa.table({roles[0]: texts, roles[1]: [text[::-1] if shape == "text" else "np"[len(text) % 2] for text in texts]})


def column(*rows: Any) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(rows)])


def rows_of(encoded: tuple[Any, Any]) -> list[list[int]]:
    ids, offsets = encoded
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


def known(tokenizer: Tokenizer) -> dict[str, int]:
    found: dict[str, int] = tokenizer.inner.get_vocab()
    return found


each_kind = pytest.mark.parametrize("kind", TOKENIZER_KINDS)
each_shape = pytest.mark.parametrize("shape", SHAPES)


@each_kind
def test_a_kind_has_defaults(kind: str) -> None:
    assert isinstance(DEFAULTS[kind], TokenSettings)


@each_kind
@each_shape
def test_special_ids_are_the_same_in_every_vocabulary(kind: str, shape: str) -> None:
    encoder = Encoder.build(kind, made_table(shape, kind), ANY)
    assert [known(encoder.source)[name] for name in SPECIAL] == [0, 1, 2, 3]


@each_kind
@pytest.mark.parametrize(
    "row", [["<pad>", "<eos>", "<unk>", "<bos>"], "<pad> lumo<eos> <unk>x <PAD> <bos>"], ids=["tokens", "text"]
)
def test_rows_that_hold_the_names_of_special_ids_do_not_take_them(kind: str, row: Any) -> None:
    tokenizer = Tokenizer.train(kind, [column(*[row] * 3)], TokenSettings(min_frequency=1, lowercase=True))
    assert [known(tokenizer)[name] for name in SPECIAL] == [0, 1, 2, 3]
    assert not {0, 2, 3} & set(tokenizer.encode([row])[0].tolist())


@each_kind
@each_shape
def test_ids_lie_within_the_vocabulary(kind: str, shape: str) -> None:
    encoder = Encoder.build(kind, table := made_table(shape, kind), ANY)
    ids = encoder.encode_source(table.column(0))[0]
    assert 4 <= ids.min() <= ids.max() < encoder.source.size


@each_kind
def test_what_the_training_split_does_not_have_is_unknown(kind: str) -> None:
    tokenizer = Tokenizer.train(kind, [column(*["lumo sela"] * 3)], ANY)
    assert set(tokenizer.encode(["ж"])[0].tolist()) <= {1, *(known(tokenizer)[t] for t in known(tokenizer) if t == "▁")}


@each_kind
@pytest.mark.parametrize("shape", ["label", "text"])
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_has_an_id(kind: str, shape: str, text: str) -> None:
    encoder = Encoder.build(kind, made_table(shape), ANY)
    assert all(rows_of(encoder.encode_source(column(text, "lumo", text))))


@each_kind
@each_shape
def test_a_saved_encoder_gives_the_same_ids(kind: str, shape: str, tmp_path: Path) -> None:
    table = made_table(shape, kind)
    encoder = Encoder.build(kind, table.slice(0, 150), DEFAULTS[kind])
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    strange = ["<eos>lumo", "ж", "<pad>"]
    seen = pa.chunked_array([*table.column(0).chunks, pa.array([strange] if shape == "tags" else strange)])
    assert rows_of(loaded.encode_source(seen)) == rows_of(encoder.encode_source(seen))
    assert rows_of(loaded.encode_target(table.column(1))) == rows_of(encoder.encode_target(table.column(1)))
    assert (loaded.kind, loaded.roles, loaded.labels) == (encoder.kind, encoder.roles, encoder.labels)
    assert (loaded.target_size, loaded.target is loaded.source) == (encoder.target_size, encoder.target is encoder.source)


@each_kind
@each_shape
def test_the_same_rows_give_the_same_vocabulary(kind: str, shape: str) -> None:
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
def test_a_vocabulary_is_not_larger_than_its_settings_say(kind: str, size: int) -> None:
    assert Tokenizer.train(kind, [column(*made_texts(100))], TokenSettings(vocabulary_size=size)).size <= size


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_a_full_vocabulary_keeps_what_is_frequent(kind: str) -> None:
    rows = column(["a", "a", "a", "b", "b", "c"], ["a", "b", "d", "d"])
    tokenizer = Tokenizer.train(kind, [rows], TokenSettings(vocabulary_size=6, min_frequency=1))
    assert set(known(tokenizer)) - set(SPECIAL) == {"a", "b"}


@pytest.mark.parametrize(("min_frequency", "kept"), [(1, {"a", "b", "c"}), (2, {"a", "b"}), (3, {"a"}), (4, set())])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_word_below_the_minimal_frequency_is_left_out(min_frequency: int, kept: set[str], is_cut: bool) -> None:
    texts = ["a b a", "b a c"]
    rows = column(*([text.split() for text in texts] if is_cut else texts))
    tokenizer = Tokenizer.train("words", [rows], TokenSettings(min_frequency=min_frequency))
    assert set(known(tokenizer)) - set(SPECIAL) == kept


def test_a_word_is_the_same_in_capitals_if_settings_say_so() -> None:
    tokenizer = Tokenizer.train("words", [column("lumo sela")], TokenSettings(min_frequency=1, lowercase=True))
    assert rows_of(tokenizer.encode(["LUMO Sela"])) == rows_of(tokenizer.encode(["lumo sela"]))


def test_markup_is_no_word() -> None:
    tokenizer = Tokenizer.train("words", [column("lumo<br />sela")], ANY)
    assert set(known(tokenizer)) - set(SPECIAL) == {"lumo", "sela"}


def test_source_and_target_texts_share_a_vocabulary() -> None:
    encoder = Encoder.build("bpe", pa.table({"source": ["lumo 5"] * 3, "target": ["sela 5"] * 3}), ANY)
    assert encoder.target is encoder.source
    assert {"▁lumo", "▁sela"} <= set(known(encoder.source))


def decoded(tokenizer: Tokenizer, text: str) -> str:
    return tokenizer.decode(tokenizer.encode([text])[0].tolist())


PAIRS = Encoder.build("bpe", made_table("text"), DEFAULTS["bpe"]).source
TAGGERS = {kind: Tokenizer.train(kind, [made_table("tags", kind).column(0)], ANY) for kind in ("words", "characters")}


@settings(max_examples=50, deadline=None)
@given(st.text(sorted(set("".join(WORDS)) - {"5"}), min_size=1), st.text(sorted(set("".join(WORDS)) | {" "})))
def test_a_text_of_known_letters_comes_back_from_its_pieces(first: str, rest: str) -> None:
    assert decoded(PAIRS, first + rest) == first + rest


def test_special_ids_are_not_written_into_a_text() -> None:
    ids = PAIRS.encode(["lumo sela"])[0].tolist()
    assert PAIRS.decode([2, *ids, 3, 0, 0]) == "lumo sela"


TOKEN = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.sampled_from([*SPECIAL, *WORDS, "a<pad>b", "<b>", "▁", "\ufdfa", "\u0301", "½", "\u200b", "\u00ad", "ﬃ", "\U000e0001"]),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(TOKEN, min_size=1, max_size=8), min_size=1, max_size=6), st.sampled_from(["words", "characters"]))
def test_a_row_of_tokens_has_one_id_for_each(rows: list[list[str]], kind: str) -> None:
    assert [len(ids) for ids in rows_of(TAGGERS[kind].encode(rows))] == [len(row) for row in rows]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(TOKEN, min_size=1, max_size=8), min_size=1, max_size=6), st.sampled_from(["words", "characters"]))
def test_a_row_of_tokens_learnt_by_heart_has_one_id_for_each(rows: list[list[str]], kind: str) -> None:
    tokenizer = Tokenizer.train(kind, [column(*rows)], ANY)
    found = rows_of(tokenizer.encode(rows))
    assert [len(ids) for ids in found] == [len(row) for row in rows]
    assert not {0, 1, 2, 3} & {i for ids in found for i in ids}


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["words", "characters"]))
def test_a_raw_text_is_cut_into_one_token_for_each_id(text: str, kind: str) -> None:
    encoder = Encoder.build(kind, made_table("tags", kind, num=2), ANY)
    tokens = encoder.cut(text)
    assert "".join(tokens) == "".join(text.split())
    assert not tokens or len(encoder.source.encode([tokens])[0]) == len(tokens)


@each_kind
def test_a_text_is_not_cut_where_texts_are_learnt(kind: str) -> None:
    assert Encoder.build(kind, made_table("label"), ANY).cut("lumo sela") == "lumo sela"


@pytest.mark.parametrize("shape", ["label", "tags"])
def test_the_ids_of_a_target_become_what_its_row_says(shape: str) -> None:
    encoder = Encoder.build("words", table := made_table(shape), ANY)
    ids = rows_of(encoder.encode_target(table.column(1)))
    assert [encoder.decode(row) for row in ids] == table.column(1).to_pylist()


def test_a_label_that_the_training_split_does_not_have_is_minus_one() -> None:
    encoder = Encoder.build("words", made_table("label"), ANY)
    assert encoder.encode_target(column("n", "mixed"))[0].tolist() == [0, -1]


def test_a_training_split_of_one_label_is_an_error() -> None:
    with pytest.raises(RowError, match="the training split has 1 label"):
        Encoder.build("words", pa.table({"text": ["lumo", "sela"], "label": ["n", "n"]}), ANY)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocabulary_size": 4}, "vocabulary_size must be at least 5, got 4"),
        ({"min_frequency": 0}, "min_frequency must be at least 1, got 0"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
        ({"limit": -1}, "limit must be at least 0, got -1"),
        ({"lowercase": 1}, "lowercase must be of type bool, got 1"),
        ({"max_length": 4.0}, "max_length must be of type int, got 4.0"),
        ({"max_length": True}, "max_length must be of type int, got True"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TokenSettings(**changes)
