"""Raw text is split into words like the training tokens."""

import json
import time
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.text.encoder import Encoder
from data.text.pre_tokenizers import Cuts
from data.text.settings import default_settings

pytestmark = pytest.mark.case("28")
APART = [
    ["ta", "Ursa", ",", "ro", "."],
    ["(", "Fara", ")", "mi", "."],
    ["Kalo", "'s", "ta", "do", "n't", "U.S.", "ku"],
    ["Mr.", "Sil", "well-made", "1,000.5", "-", "so", "..."],
    ["l'", "ursa", "and", "/", "or", "."],
] * 4
ATTACHED = [["ta", "Ursa,", "ro."], ["(Fara)", "mi."], ["do", "don't", "Kalo's", "and/or"]] * 4
PLAIN = [["ta", "Ursa", "ro"], ["Fara", "mi"]] * 4


def column(rows: list[list[str]]) -> list[pa.ChunkedArray]:
    return [pa.chunked_array([pa.array(rows, pa.list_(pa.string()))])]


def tokens(rows: list[list[str]], text: str) -> list[str]:
    cuts = Cuts.of(column(rows))
    known = {token for row in rows for token in row}
    return [text[start:stop] for start, stop in cuts.spans(text, known.__contains__)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ta mi Ursa, ro ku.", "ta|mi|Ursa|,|ro|ku|."),
        ("(Fara), Tembo Sil.", "(|Fara|)|,|Tembo|Sil|."),
        ("ta mi Ursa , ro .", "ta|mi|Ursa|,|ro|."),
        ("Bren's don't Won\u2019t", "Bren|'s|do|n't|Wo|n\u2019t"),
        ("l'eau L'Eau", "l'|eau|L'|Eau"),
        ("U.S. U.K., Mr. Dr.", "U.S.|U.K.|,|Mr.|Dr|."),
        ("1,000.5 2,300,400.75. 3.5, 10:30", "1,000.5|2,300,400.75|.|3.5|,|10:30"),
        ("well-made half-made - so", "well-made|half-made|-|so"),
        (
            "http://a.b/c,d?e=f. me@ursa.ro, www.ro.ku/mi",
            "http://a.b/c,d?e=f|.|me@ursa.ro|,|www.ro.ku/mi",
        ),
        ("ro/ku he,she", "ro|/|ku|he|,|she"),
        ("so... so.. (so)!", "so|...|so|.|.|(|so|)|!"),
        ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u4f60\u597d\uff0c\u4e16\u754c|\u3002"),
        (
            "\u00abta\u00bb \u201cmi\u201d \u00bfku?",
            "\u00ab|ta|\u00bb|\u201c|mi|\u201d|\u00bf|ku|?",
        ),
        (" \t ", ""),
        (",", ","),
    ],
)
def test_punctuation_is_split_off_when_training_has_it_separate(text: str, expected: str) -> None:
    assert "|".join(tokens(APART, text)) == expected


@pytest.mark.parametrize("text", ["ta mi Ursa, ro ku.", "(Kalo), don't he/she", "Bren's l'eau"])
def test_punctuation_stays_attached_when_training_has_it_attached(text: str) -> None:
    assert tokens(ATTACHED, text) == text.split()


def test_unseen_punctuation_is_split_off_when_training_words_have_none() -> None:
    assert tokens(PLAIN, "Ursa, (Fara).") == ["Ursa", ",", "(", "Fara", ")", "."]
    assert tokens(PLAIN, "half-made don't") == ["half-made", "don't"]


def test_handles_and_hashtags_stay_whole_when_training_has_them() -> None:
    rows = [["@ursa", "#ta", ",", "mi"], ["@kalo", "#ro", "!"]] * 3
    assert tokens(rows, "@fara, #ku!") == ["@fara", ",", "#ku", "!"]


@pytest.mark.parametrize("rows", [APART, ATTACHED, PLAIN])
@settings(max_examples=150, deadline=None)
@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from(" .,'()-/aB1n")))
def test_tokens_cover_all_but_the_spaces_in_order(rows: list[list[str]], text: str) -> None:
    assert "".join(tokens(rows, text)) == "".join(text.split())
    spans = Cuts.of(column(rows)).spans(text)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert all(start < stop for start, stop in spans)


@pytest.mark.parametrize("piece", [",", "a-", "a,", "@", "'s", "a/", ".a.", "((a"])
def test_long_text_without_spaces_is_split_quickly(piece: str) -> None:
    start = time.process_time()
    assert "".join(tokens(APART, piece * 30_000)) == piece * 30_000
    assert time.process_time() - start < 10


@pytest.mark.parametrize("rows", [APART, ATTACHED])
def test_saved_encoder_keeps_its_pre_tokenizer(tmp_path: Path, rows: list[list[str]]) -> None:

    folder = tmp_path
    table = pa.table({"tokens": rows, "tags": [["B-PER", *["O"] * (len(row) - 1)] for row in rows]})
    encoder = Encoder.build("words", table, default_settings("words", is_generated=False))
    encoder.save(folder)
    text = "ta Ursa, (Fara) Mr. Sil don't."
    assert Encoder.load(folder).cut(text) == encoder.cut(text)
    assert (encoder.cut(text) == text.split()) == (rows is ATTACHED)


def test_older_token_set_splits_at_spaces(tmp_path: Path) -> None:

    folder = tmp_path
    table = pa.table(
        {"tokens": APART, "tags": [["B-PER", *["O"] * (len(row) - 1)] for row in APART]}
    )
    Encoder.build("words", table, default_settings("words", is_generated=False)).save(folder)
    found = json.loads((folder / "encoder.json").read_text())
    del found["cuts"]
    (folder / "encoder.json").write_text(json.dumps(found))
    assert Encoder.load(folder).cut("Ursa, ro.") == ["Ursa,", "ro."]


@pytest.mark.parametrize("rows", [APART, PLAIN])
def test_training_tokens_joined_by_spaces_are_split_into_themselves(rows: list[list[str]]) -> None:
    for row in rows:
        assert tokens(rows, " ".join(row)) == row


def test_tokens_are_joined_as_written_text() -> None:
    cuts = Cuts.of(column(APART))
    assert cuts.is_attached("Ursa", ",")
    assert cuts.is_attached("(", "Fara")
    assert cuts.is_attached("Kalo", "'s")
    assert not cuts.is_attached("ta", "mi")
    assert not Cuts.of(column(ATTACHED)).is_attached("Ursa", ",")
