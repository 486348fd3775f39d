from typing import Any

import pyarrow as pa
import pytest

from data.checks import check
from data.formats import BROKEN, TEXT, TOKENS

LABELS = {"0": "neg", "1": "pos"}


def checked(
    rows: list[dict[str, Any]], labels: dict[str, str] | None = None, *, is_characters: bool = False
) -> list[dict[str, Any]]:
    columns = {role: pa.array([row[role] for row in rows], TOKENS if role in ("tokens", "tags") else TEXT) for role in rows[0]}
    about = {"row": range(1, len(rows) + 1), "fault": pa.nulls(len(rows), TEXT), "raw": pa.nulls(len(rows), TEXT)}
    table = pa.table(columns | {name: pa.array(values) for name, values in about.items()})
    found: list[dict[str, Any]] = check(table, labels or {}, is_characters=is_characters).to_pylist()
    return found


def fault(row: dict[str, Any], *, is_characters: bool = False) -> str | None:
    """The fault of a row that stands between two good ones, which must stay good."""
    good = {"text": "ta", "label": "1", "source": "ta", "target": "ta", "tokens": ["o"], "tags": ["O"]}
    around = {role: good[role] for role in row}
    rows = checked([around, row, around], LABELS if "label" in row else None, is_characters=is_characters)
    assert rows[0]["fault"] is rows[2]["fault"] is None
    said: str | None = rows[1]["fault"]
    return said


def tagged(*tags: str) -> dict[str, list[str]]:
    return {"tokens": ["ta"] * len(tags), "tags": list(tags)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "", "label": "1"}, "text: empty"),
        ({"text": " \t\u3000\n", "label": "1"}, "text: empty"),
        ({"text": None, "label": "1"}, "text: empty"),
        ({"text": "lumo", "label": "2"}, "label: must be one of 0, 1, got 2"),
        ({"text": "lumo", "label": "neg"}, "label: must be one of 0, 1, got neg"),
        ({"text": "lumo", "label": ""}, "label: empty"),
        ({"text": f"lu{BROKEN}mo", "label": "1"}, "text: not UTF-8"),
        ({"text": "lumo", "label": BROKEN}, "label: not UTF-8"),
        ({"source": "", "target": "lumo"}, "source: empty"),
        ({"source": "lumo", "target": " "}, "target: empty"),
        ({"source": "lumo", "target": BROKEN}, "target: not UTF-8"),
        ({"tokens": [], "tags": []}, "tokens: empty"),
        ({"tokens": ["lumo", BROKEN], "tags": ["O", "O"]}, "tokens: not UTF-8"),
        ({"tokens": ["lumo"], "tags": ["B-" + BROKEN]}, "tags: not UTF-8"),
        (tagged("O", "I-PER"), "tags: I-PER follows O, expected a B- before"),
        (tagged("I-PER", "O"), "tags: I-PER follows O, expected a B- before"),
        (tagged("B-LOC", "I-PER"), "tags: I-PER follows B-LOC, expected a B- before"),
        (tagged("O", "S-PER"), "tags: S-PER is not O, B-kind or I-kind"),
        (tagged("O", "PER"), "tags: PER is not O, B-kind or I-kind"),
        (tagged("O", "B-"), "tags: B- is not O, B-kind or I-kind"),
        (tagged("O", ""), "tags:  is not O, B-kind or I-kind"),
        (tagged("X", "I-PER", "Y"), "tags: X is not O, B-kind or I-kind"),
    ],
)  # fmt: skip
def test_a_row_that_is_refused_says_why(row: dict[str, Any], said: str) -> None:
    assert fault(row) == said


@pytest.mark.parametrize("token", ["ta mi", "ta\tmi", "ta\u00a0mi", "\u3000", "ta\u2028mi", "ta\x85", "\x1cta", ""])
def test_a_token_that_a_raw_text_cannot_give_is_refused(token: str) -> None:
    assert fault({"tokens": ["lumo", token], "tags": ["O", "O"]}) == f"tokens: '{token}' is empty or has a space"


@pytest.mark.parametrize("token", ["ab", "", "e\u0301", " ", "\u3000"])
def test_a_token_that_is_not_one_character_is_refused_where_characters_are_tagged(token: str) -> None:
    row = {"tokens": ["o", token], "tags": ["O", "O"]}
    assert fault(row, is_characters=True) == f"tokens: '{token}' is not one character"


@pytest.mark.parametrize("token", ["o", "中", "😀", "é"])
def test_any_single_character_may_be_a_token(token: str) -> None:
    assert fault({"tokens": [token], "tags": ["O"]}, is_characters=True) is None


@pytest.mark.parametrize(
    "tags", [("O",), ("B-PER",), ("B-PER", "I-PER", "I-PER"), ("B-PER", "B-PER"), ("B-a-b", "I-a-b"), ("B-LOC", "O", "B-PER")]
)
def test_bio_tags_are_fine(tags: tuple[str, ...]) -> None:
    assert fault(tagged(*tags)) is None


def test_tags_do_not_continue_the_row_before() -> None:
    rows = checked([tagged("O", "B-PER"), tagged("I-PER")])
    assert rows[1]["fault"] == "tags: I-PER follows O, expected a B- before"


def test_labels_get_our_names() -> None:
    rows = checked([{"text": "lumo", "label": label} for label in "010"], LABELS)
    assert [row["label"] for row in rows] == ["neg", "pos", "neg"]


def test_labels_without_a_mapping_stay_as_they_are() -> None:
    assert checked([{"text": "lumo", "label": "any"}])[0]["label"] == "any"


def test_a_row_keeps_what_stood_there() -> None:
    rows = checked([{"text": "lumo", "label": "1"}, {"text": "lumo ta", "label": "5"}, {"text": "", "label": "1"}], LABELS)
    assert [row["raw"] for row in rows] == ["lumo\t1", "lumo ta\t5", "\t1"]


def test_a_fault_of_the_format_is_not_overwritten() -> None:
    table = pa.table({"text": pa.nulls(1, TEXT), "label": pa.nulls(1, TEXT), "row": [7], "fault": ["1 fields"], "raw": ["ta"]})
    assert check(table, LABELS).select(["fault", "raw"]).to_pylist() == [{"fault": "1 fields", "raw": "ta"}]
