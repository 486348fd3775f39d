import codecs
import io
import logging

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats import encoding
from data.formats.encoding import (
    BROKEN,
    ByteStream,
    marked,
    shown,
    shown_column,
    utf8_blocks,
)
from data.formats.encoding_detection import check_encoding, suggest_encoding
from tests.data.reading import ShortReads, small_blocks

FRENCH = "Déjà vu, le café était fermé à côté.\n"
ENCODED = [
    (FRENCH, "cp1252"),
    ("El niño comió una manzana después de la reunión en España.\n", "cp1252"),
    ("It\u2019s a \u201cgood\u201d film \u2014 really.\n", "utf-8"),
    ("Вчера мы пошли в парк, и было очень хорошо.\n", "cp1251"),
    ("Вчера мы пошли в парк, и было очень хорошо.\n", "koi8_r"),
    ("今日は天気がいいから公園へ行きましょう。\n", "cp932"),
    ("今天天气很好，我们去公园。\n", "gb18030"),
    ("今天天氣很好，我們去公園。\n", "big5"),
    ("오늘은 날씨가 좋아서 공원에 갔다.\n", "cp949"),
    ("Hello there, my friend.\n", "utf_16_le"),
]


def read(content: bytes, name: str = "utf-8") -> str:
    return b"".join(utf8_blocks(io.BytesIO(content), name)).decode()


@pytest.mark.parametrize("content", ["", "a", "lumo é 今 😀\n", "\0", "\ufeff\ufeffa"[1:]])
def test_utf8_passes_through(content: str) -> None:
    assert read(content.encode()) == content.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"caf\xe9 mi", r"caf\xe9 mi"),
        (b"\xe4\xbb\x8a\xe4\xbb", "今\\xe4\\xbb"),
        (b"\xe4\xbb", r"\xe4\xbb"),
        (b"\xe4a", r"\xe4a"),
        (b"a\xff\xfeb", r"a\xff\xfeb"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"\xc0\xaf", r"\xc0\xaf"),
        (b"\xf5\x80\x80\x80", r"\xf5\x80\x80\x80"),
        (b"\x80\x80\x80\x80\x80", r"\x80\x80\x80\x80\x80"),
    ],
)
def test_each_invalid_byte_is_marked_and_shown(content: bytes, expected: str) -> None:
    assert shown(read(content)) == shown(marked(content)) == expected
    assert read(content).count(BROKEN) == expected.count("\\x")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=6) | st.text(max_size=6).map(str.encode), max_size=8),
    st.integers(4, 9),
    st.integers(0, 9),
)
def test_marks_do_not_depend_on_block_size(parts: list[bytes], size: int, seed: int) -> None:
    content = b"x" + b"".join(parts)  # no byte order mark
    with small_blocks(size):
        blocks = list(utf8_blocks(ShortReads(content, seed)))
    assert all(block.decode() for block in blocks)  # none cuts a character
    assert b"".join(blocks).decode() == marked(content) == read(content)
    strict = content.decode(errors="backslashreplace")
    assert shown(read(content)) == shown(strict)


@pytest.mark.parametrize(
    "name",
    [
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "cp1252",
        "gb18030",
        "shift_jis",
        "koi8-r",
        "latin-1",
    ],
)
@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=40), size=st.integers(4, 9), seed=st.integers(0, 9))
def test_any_bytes_are_decoded_in_any_encoding(
    name: str, content: bytes, size: int, seed: int
) -> None:
    if name in ("utf-16", "utf-32"):
        content = "".encode(name) + content  # its mark
    with small_blocks(size):
        cut = b"".join(utf8_blocks(ShortReads(content, seed), name))
    assert cut.decode() == read(content, name)


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(["utf-16", "utf-32", "utf-16-le", "gb18030", "utf-8-sig"]),
    st.integers(4, 9),
)
def test_named_encoding_reads_back_what_was_written(text: str, name: str, size: int) -> None:
    with small_blocks(size):
        assert (
            b"".join(utf8_blocks(io.BytesIO(f"x{text}".encode(name)), name)).decode() == f"x{text}"
        )


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("wanted", ["utf-8", "UTF8", "utf_8_sig", "detect"])
def test_byte_order_mark_determines_the_encoding(
    name: str, wanted: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "data.formats.encoding_detection"):
        assert read(FRENCH.encode(name), wanted) == FRENCH
    assert caplog.messages == (
        [] if name == "utf-8-sig" else [f"read as {name}, by its byte order mark"]
    )


def test_both_byte_orders_are_supported() -> None:
    for mark, name in [(codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be")]:
        assert read(mark + FRENCH.encode(name)) == FRENCH


def test_byte_order_mark_does_not_override_a_named_encoding() -> None:
    assert read(codecs.BOM_UTF16_LE + b"a", "latin-1") == "ÿþa"


@pytest.mark.parametrize("name", ["utf-16", "utf_32"])
def test_unspecified_byte_order_raises(name: str) -> None:
    with pytest.raises(
        RowError,
        match=r"has no byte order mark, expected one of utf-.*: else name utf-.*-le or utf-.*-be",
    ):
        read(FRENCH.encode(f"{name}-le"), name)
    assert read(b"", name) == ""


def test_truncated_character_at_the_end_is_marked_in_any_encoding() -> None:
    assert shown(read("é今".encode("utf-16-le")[:-1], "utf-16-le")) == "é\\xca"
    assert shown(read("今天".encode("gb18030")[:-1], "gb18030")) == "今\\xcc"


def test_undefined_bytes_are_marked_in_any_encoding() -> None:
    assert shown(read(b"a\x81b", "cp1252")) == r"a\x81b"


@pytest.mark.parametrize(("text", "name"), ENCODED)
def test_encoding_is_detected_and_logged(
    text: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = (text * 20 if name != "cp1252" else text).encode(name)
    with caplog.at_level(logging.INFO, "data.formats.encoding_detection"):
        assert read(content, "detect") == content.decode(name)
    assert caplog.messages == (
        [] if name == "utf-8" else [f"read as {name}, by its first {len(content):,} bytes"]
    )


def test_utf8_is_detected_when_the_sample_ends_within_a_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoding, "SAMPLE_BYTES", 10)
    assert read("今天天气很好".encode(), "detect") == "今天天气很好"


def test_unclear_encoding_raises() -> None:
    with pytest.raises(RowError, match="the encoding cannot be detected from 1,280 bytes: name it"):
        read(bytes(range(256)) * 5, "detect")


@pytest.mark.parametrize(("text", "name"), ENCODED)
def test_encoding_is_suggested_for_undecodable_rows(text: str, name: str) -> None:
    assert suggest_encoding((text * 20 if name != "cp1252" else text).encode(name)) == name


def test_no_encoding_is_suggested_for_binary_data() -> None:
    assert suggest_encoding(bytes(range(128, 256)) * 9) is None


@pytest.mark.parametrize(
    "name", ["utf-8", "UTF8", "latin1", "cp1252", "GB18030", "utf-16-le", "detect"]
)
def test_encoding_known_to_python_is_accepted(name: str) -> None:
    check_encoding(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("utf-9", "there is no encoding 'utf-9': did you mean utf-8?"),
        ("cp125", "there is no encoding 'cp125': did you mean cp1252?"),
        ("latin_one", "there is no encoding 'latin_one': did you mean latin-1?"),
        ("zebra", "there is no encoding 'zebra': expected utf-8, utf-16,"),
        ("rot13", "there is no encoding 'rot13': expected utf-8"),
        ("base64", "there is no encoding 'base64'"),
        ("idna", "there is no encoding 'idna'"),
        ("", "there is no encoding ''"),
        ("a\0b", "there is no encoding"),
    ],
)
def test_unknown_encoding_raises_with_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match="there is no encoding") as error:
        check_encoding(name)
    assert str(error.value).startswith(message)


def test_column_is_shown_like_single_texts() -> None:
    texts = ["a", f"caf{BROKEN}e9{BROKEN}0a1", None, f"{BROKEN}zz", ""]
    found = shown_column(pa.chunked_array([texts])).to_pylist()
    assert found == ["a", r"caf\xe9\x0a1", None, f"{BROKEN}zz", ""]
    assert found == [None if text is None else shown(text) for text in texts]


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.integers(1, 12))
def test_blocks_as_a_file_fill_every_read_but_the_last(blocks: list[bytes], size: int) -> None:
    stream = ByteStream(blocks)
    found = list(iter(lambda: stream.read(size), b""))
    assert b"".join(found) == b"".join(blocks)
    assert all(len(block) == size for block in found[:-1])


def test_valid_block_is_not_copied() -> None:
    content = ("lumo é 今\n" * 100).encode()
    (block,) = utf8_blocks(io.BytesIO(content))
    assert block == content
    with small_blocks(50):
        assert max(map(len, utf8_blocks(io.BytesIO(content)))) <= 53
