"""Words for missing values: found as whole values, and excluded where an entry lists them."""

import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from data.formats.base import all_formats
from data.ingestion.report import Tally
from data.rows.check_settings import rules_of
from data.rows.missing_values import count_missing_words
from data.rows.splits import SPLITS
from tests.data.ingestion.test_splitting import pairs, parts_of, read, reviews, tagged, texts

pytestmark = pytest.mark.case("02")
FOUND = [
    "nan",
    "NaN",
    "NULL",
    "null",
    "None",
    "N/A",
    "n/a",
    "NA",
    "<NA>",
    "-",
    "#N/A",
    "#VALUE!",
    "NaT",
    "\\N",
    " nan ",
]
NOT_FOUND = ["nano", "no", "nan nan", "neutral", "0", "none of it", "a-b", "Nana"]
JSONL = {"kind": "jsonl", **all_formats()["jsonl"].options}


def of_rows(*rows: tuple[str | None, str | None], **changes: Any) -> Any:
    lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
    return reviews({"all": lines}, format=JSONL, **changes)


@pytest.mark.parametrize("word", FOUND)
def test_word_for_a_missing_value_is_recognized(word: str) -> None:
    assert count_missing_words(pa.chunked_array([["lumo", word, word]])) == Counter(
        {word.strip(): 2}
    )


@pytest.mark.parametrize("word", NOT_FOUND)
def test_meaningful_value_is_not_taken_for_a_missing_one(word: str) -> None:
    assert not count_missing_words(pa.chunked_array([[word, None]]))


def report_of(dataset: Any) -> dict[str, Any]:
    tally = Tally()
    for part in parts_of(dataset):
        tally.add(part)
    return tally.as_json(is_characters=False)


def test_report_counts_missing_values_in_texts_labels_and_rejected_rows() -> None:
    rows = [
        *((text, "pos") for text in texts(60)),
        ("NaN", "pos"),
        ("nan", "neg"),
        ("nan", "pos"),
        ("lumo sela", "NULL"),
    ]
    report = report_of(of_rows(*rows))
    found = [report["splits"][split]["missing_words"] for split in SPLITS]
    assert Counter(word for counts in found for word in counts.get("text", {})) == {"NaN": 1}
    assert sum(counts.get("label", {}).get("NULL", 0) for counts in found) == 1
    assert report["about_missing"] == {"conflict": 1, "duplicate": 1}
    assert report["missing_words"] == {"nan": 2}


def test_unknown_label_that_means_a_missing_value_is_counted() -> None:
    report = report_of(
        of_rows(("lumo", "pos"), ("sela", "nan"), ("vek", "other"), labels={"pos": "pos"})
    )
    assert (report["reasons"], report["about_missing"]) == (
        {"unknown_label": 2},
        {"unknown_label": 1},
    )


def test_missing_values_are_sought_in_both_sides_of_pairs_and_not_in_tokens() -> None:
    report = report_of(pairs("lumo\tN/A\nnull\tsela\nta mi\tmi ta\n"))
    words = [report["splits"][split]["missing_words"] for split in SPLITS]
    assert {side: dict(counts) for found in words for side, counts in found.items()} == {
        "target": {"N/A": 1},
        "source": {"null": 1},
    }
    report = report_of(tagged({"all": "- O\n\nnan O\n\n"}))
    assert not any(report["splits"][split]["missing_words"] for split in SPLITS)


@pytest.mark.parametrize("words", [["nan", "NULL"], ["NAN", None], ["Nan", " null "]], ids=str)
def test_listed_words_are_rejected_in_any_case_and_others_are_kept(words: list[Any]) -> None:
    rows = [("lumo", "pos"), ("sela", "nan"), ("mi", "NULL"), ("NaN", "pos"), ("vek nan", "none")]
    found = read(of_rows(*rows, checks={"missing": words}))
    assert {row for split in SPLITS for row in found[split]} == {
        ("lumo", "pos"),
        ("vek nan", "none"),
    }
    assert sorted(row[2] for row in found["refused"]) == sorted(
        f"{side}: {word!r} stands for a missing value"
        for side, word in [("label", "nan"), ("label", "NULL"), ("text", "NaN")]
    )


def test_listed_word_may_be_a_number_and_other_types_raise() -> None:
    assert rules_of(("text",), {"missing": [-999, None, "x"]}).missing == ("-999", "null", "x")
    with pytest.raises(ValueError, match="missing must list words, got False; write it in quotes"):
        rules_of(("text",), {"missing": [False]})
    with pytest.raises(ValueError, match="missing must be like"):
        rules_of(("text",), {"missing": "nan"})


def test_token_is_never_taken_for_a_missing_value() -> None:
    found = read(tagged({"all": "- O\nnan O\n\n"}, checks={"missing": ["-", "nan"]}))
    assert not found["refused"]
