"""Invisible characters do not distinguish texts or labels."""

import json
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats.base import all_formats
from data.rows.removals import text_hash
from data.rows.splits import SPLITS
from data.text.invisible_characters import (
    INVISIBLE_CHARACTER,
    RANGES,
    trimmed_name,
    without_invisible,
)
from tests.data.ingestion.test_splitting import (
    pairs,
    read,
    reviews,
    splits_of,
    table,
    tagged,
    texts,
)
from tests.data.rows.test_checks import checked
from tests.data.rows.test_split_properties import split_up

CASE = pytest.mark.case("05")
# One of each block of the property, and other invisible ones; listed by hand, not from the module.
UNSEEN = {
    "zero width space": "\u200b",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "word joiner": "\u2060",
    "left-to-right mark": "\u200e",
    "right-to-left mark": "\u200f",
    "embedding": "\u202b",
    "isolate": "\u2066",
    "joiner": "\u200d",
    "non-joiner": "\u200c",
    "variation selector": "\ufe0f",
    "variation selector 17": "\U000e0100",
    "Mongolian vowel separator": "\u180e",
    "Hangul filler": "\u3164",
    "half-width filler": "\uffa0",
    "Hangul choseong filler": "\u115f",
    "combining grapheme joiner": "\u034f",
    "Arabic letter mark": "\u061c",
    "blank of Braille": "\u2800",
    "tag": "\U000e0041",
    "shorthand": "\U0001bca0",
    "music": "\U0001d173",
    "annotation": "\ufff9",
    "Khmer inherent vowel": "\u17b4",
}
LETTERS = "abcdeée\u0301жЖ中çİ ḋ"


def with_inserted(text: str, insertions: list[tuple[int, str]]) -> str:
    for index, sign in insertions:
        at = index % (len(text) + 1)
        text = text[:at] + sign + text[at:]
    return text


INSERTED = st.lists(
    st.tuples(st.integers(0, 99), st.sampled_from(sorted(UNSEEN.values()))), min_size=1, max_size=5
)
MANY = st.lists(
    st.tuples(st.text(LETTERS, min_size=1).filter(str.strip), INSERTED), min_size=1, max_size=30
)


@CASE
@pytest.mark.parametrize("name", UNSEEN)
def test_hash_ignores_every_kind_of_invisible_character(name: str) -> None:
    for copy in (
        f"{UNSEEN[name]}lumo tá",
        f"lu{UNSEEN[name]}mo tá",
        f"lumo {UNSEEN[name]} tá{UNSEEN[name]}",
    ):
        assert text_hash(copy) == text_hash("lumo tá")


@CASE
def test_visible_characters_are_never_removed() -> None:
    seen = [
        chr(code) for code in range(0x20, 0x30000) if unicodedata.category(chr(code))[0] in "LNP"
    ]
    fillers = set("\u115f\u1160\u3164\uffa0")  # letters by their category, and yet nothing to see
    assert {sign for sign in seen if INVISIBLE_CHARACTER.match(sign)} == fillers


@CASE
def test_normalization_makes_no_visible_character_invisible() -> None:
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000 and not INVISIBLE_CHARACTER.match(chr(code)):
            assert not INVISIBLE_CHARACTER.search(unicodedata.normalize("NFKC", chr(code)))


@CASE
def test_both_patterns_remove_the_same_characters() -> None:
    every = [chr(code) for first, last in RANGES for code in range(first, last + 1)]
    found = without_invisible(pa.chunked_array([[f"a{sign}b" for sign in every]])).to_pylist()
    assert set(found) == {"ab"} == {INVISIBLE_CHARACTER.sub("", f"a{sign}b") for sign in every}


@CASE
@settings(max_examples=60, deadline=None)
@given(MANY, st.sampled_from(["reviews", "pairs"]))
def test_no_text_is_in_two_splits_for_any_invisible_characters(
    rows: list[tuple[str, list[tuple[int, str]]]], shape: str
) -> None:
    both = [
        text
        for original, insertions in rows
        for text in (original, with_inserted(original, insertions))
    ]
    found = split_up(shape, [("all", [(text, "pos") for text in both])])
    kept = {split: {text_hash(row[0]) for row in found[split]} for split in SPLITS}
    assert (
        sum(map(len, kept.values()))
        == len(set().union(*kept.values()))
        == sum(len(found[split]) for split in SPLITS)
    )
    assert len(found["refused"]) >= len(rows)


@CASE
def test_text_that_looks_equal_is_a_duplicate_and_the_first_is_kept_unchanged() -> None:
    first = "کتاب‌ها خوب 👩‍👩‍👧"  # a non-joiner and joiners that carry meaning
    parts = read(
        reviews({"all": table(f"{first},pos", f"\ufeff{first.replace(chr(0x200C), '')}\u200b,pos")})
    )
    assert [row for split in SPLITS for row in parts[split]] == [(first, "pos")]
    assert [row[2] for row in parts["refused"]] == ["the same row stood before"]


@CASE
def test_published_training_row_that_looks_like_a_test_row_is_a_leak() -> None:
    parts = read(
        reviews(
            {"test": table("lumo tá,pos"), "train": table("lu\u200bmo tá,pos", "sela ro,neg")},
            splits={},
        )
    )
    assert [row[0] for row in parts["train"]] == ["sela ro"]
    assert parts["refused"][0][2].startswith("train: the same text stands in validation or test")


@CASE
def test_text_that_looks_equal_with_another_label_is_a_conflict() -> None:
    parts = read(reviews({"all": table("lumo tá,pos", "lumo\u00ad tá,neg")}))
    assert [row[2] for row in parts["refused"]] == ["the same text stood before with another label"]


@CASE
def test_tokens_that_look_equal_get_the_split_of_their_text() -> None:
    plain = "".join(f"lumo O\n{text.split()[-1]} B-PER\n\n" for text in texts(60))
    marked = "".join(f"lu\u200bmo O\n{text.split()[-1]}\u200e B-PER\n\n" for text in texts(60))
    parts = read(tagged({"all": plain + marked}))
    assert len(parts["refused"]) == 60 == sum(len(parts[split]) for split in SPLITS)


@CASE
def test_pairs_and_tunes_that_look_equal_are_duplicates() -> None:
    assert len(read(pairs("lumo tá\tmi\nlu\u200bmo tá\tm\u2060i\n"))["refused"]) == 1
    tune = "X:1\nT:Lumó\nM:2/4\nK:G\nGA|]\n"
    abc = {"kind": "abc", **all_formats()["abc"].options}
    dataset = reviews(
        {"all": f"{tune}\n{tune.replace('Lumó', 'Lu' + chr(0x200B) + 'mó')}"},
        format=abc,
        columns={"text": "tune"},
    )
    assert len(read(dataset)["refused"]) == 1


@CASE
@pytest.mark.parametrize("name", UNSEEN)
def test_text_of_only_invisible_characters_is_empty(name: str) -> None:
    rows = [
        {"text": f" {UNSEEN[name]}\u00a0{UNSEEN[name]}", "label": "1"},
        {"text": "lumo", "label": UNSEEN[name]},
    ]
    assert [row["kind"] for row in checked(rows)] == ["no_text", "no_text"]
    assert checked([{"source": "lumo", "target": UNSEEN[name]}])[0]["kind"] == "one_side"
    assert checked([{"tokens": [UNSEEN[name]], "tags": ["O"]}])[0]["kind"] == "no_text"


@CASE
def test_pair_whose_sides_look_equal_is_a_copy() -> None:
    assert (
        checked([{"source": "lumo", "target": "lu\u200bmo"}])[0]["kind"] == "source_equals_target"
    )


EDGES = {
    "a space": "{} ",
    "a tab": "\t{}",
    "a wide space": "\u3000{}",
    "no break": "{}\u00a0",
    "unseen": "\u200b{}\ufeff",
    "both": " \u200b {}",
}


@pytest.mark.case("01")
@pytest.mark.parametrize("edge", EDGES)
def test_label_is_stripped_of_spaces_and_invisible_characters(edge: str) -> None:
    rows = [
        ("lumo ta", "pos"),
        ("sela mi", EDGES[edge].format("pos")),
        ("vek ro", EDGES[edge].format("très bon")),
    ]
    jsonl = {"kind": "jsonl", **all_formats()["jsonl"].options}
    lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
    found = read(reviews({"all": lines}, format=jsonl))
    assert {row for split in SPLITS for row in found[split]} == {
        ("lumo ta", "pos"),
        ("sela mi", "pos"),
        ("vek ro", "très bon"),
    }


@pytest.mark.case("01")
def test_padded_label_matches_the_label_of_the_entry() -> None:
    parts = read(
        reviews({"all": table("lumo ta,1 ", "sela mi, 2")}, labels={"1": "pos", "2": "neg"})
    )
    assert splits_of(parts).keys() == {"lumo ta", "sela mi"}
    assert {row[1] for split in SPLITS for row in parts[split]} == {"pos", "neg"}


@pytest.mark.case("01")
def test_rejected_row_keeps_its_original_label() -> None:
    assert (
        read(reviews({"all": table("lumo, pos ")}, labels={"1": "a"}))["refused"][0][3]
        == "lumo\t pos "
    )


@pytest.mark.case("01")
def test_tags_and_kinds_are_stripped_of_spaces() -> None:
    padded = {"tokens": ["a", "b", "c"], "tags": ["B-PER ", "I- PER", "O\u200b"]}
    found = checked([padded, {"tokens": [], "tags": None}, {"tokens": ["d"], "tags": ["O"]}])
    assert [row["tags"] for row in found] == [["B-PER", "I-PER", "O"], None, ["O"]]
    assert [row["kind"] for row in found] == [None, "no_text", None]


@pytest.mark.case("01")
def test_names_in_an_entry_are_stripped_like_those_of_rows() -> None:
    assert trimmed_name("\ufeff pos\u200b ") == "pos"
    assert trimmed_name("very\u200b good") == "very\u200b good"
