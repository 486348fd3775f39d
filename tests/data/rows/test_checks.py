from typing import Any

import pyarrow as pa
import pytest

from data.formats.base import TEXT, TOKENS
from data.formats.encoding import BROKEN
from data.rows.check_settings import SHAPES, rules_of
from data.rows.checks import check

LABELS = {"0": "neg", "1": "pos"}


def checked(
    rows: list[dict[str, Any]], labels: dict[str, str] | None = None, *, is_characters: bool = False
) -> list[dict[str, Any]]:
    columns = {
        role: pa.array([row[role] for row in rows], TOKENS if role in ("tokens", "tags") else TEXT)
        for role in rows[0]
    }
    about = {
        "row": range(1, len(rows) + 1),
        **{name: pa.nulls(len(rows), TEXT) for name in ("kind", "reason", "raw")},
    }
    table = pa.table(columns | {name: pa.array(values) for name, values in about.items()})
    roles = next(shape for shape in SHAPES if set(shape) == set(rows[0]))
    done = check(table, rules_of(roles, {}), labels or {}, roles=roles, is_characters=is_characters)
    found: list[dict[str, Any]] = done.to_pylist()
    return found


def fault(row: dict[str, Any], *, is_characters: bool = False) -> str | None:
    """The fault of a row between two valid ones, which must stay valid."""
    good = {
        "text": "ta",
        "label": "1",
        "score": "2.5",
        "source": "ta",
        "target": "mi",
        "tokens": ["o"],
        "tags": ["O"],
    }
    around = {role: good[role] for role in row}
    rows = checked(
        [around, row, around], LABELS if "label" in row else None, is_characters=is_characters
    )
    assert rows[0]["kind"] is rows[2]["kind"] is None
    return f"{rows[1]['kind']}: {rows[1]['reason']}" if rows[1]["kind"] else None


def tagged(*tags: str) -> dict[str, list[str]]:
    return {"tokens": ["ta"] * len(tags), "tags": list(tags)}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "", "label": "1"}, "no_text: text: empty"),
        ({"text": " \t\u3000\n", "label": "1"}, "no_text: text: empty"),
        ({"text": None, "label": "1"}, "no_text: text: empty"),
        (
            {"text": "lumo", "score": "3,5"},
            "bad_number: score: expected a finite number, got '3,5'",
        ),
        (
            {"text": "lumo", "score": "nan"},
            "bad_number: score: expected a finite number, got 'nan'",
        ),
        (
            {"text": "lumo", "score": "1e999"},
            "bad_number: score: expected a finite number, got '1e999'",
        ),
        ({"text": "lumo", "score": ""}, "no_text: score: empty"),
        ({"text": "lumo", "label": "2"}, "unknown_label: label: expected one of 0, 1, got '2'"),
        ({"text": "lumo", "label": "neg"}, "unknown_label: label: expected one of 0, 1, got 'neg'"),
        ({"text": "lumo", "label": ""}, "no_text: label: empty"),
        (
            {"text": f"lu{BROKEN}mo", "label": "1"},
            "not_utf8: text: bytes that are no text in the file's encoding",
        ),
        (
            {"text": "lumo", "label": BROKEN},
            "not_utf8: label: bytes that are no text in the file's encoding",
        ),
        ({"source": "", "target": "lumo"}, "one_side: source: empty"),
        ({"source": "lumo", "target": " "}, "one_side: target: empty"),
        (
            {"source": "lumo", "target": BROKEN},
            "not_utf8: target: bytes that are no text in the file's encoding",
        ),
        ({"tokens": [], "tags": []}, "no_text: tokens: empty"),
        (
            {"tokens": ["lumo", BROKEN], "tags": ["O", "O"]},
            "not_utf8: tokens: bytes that are no text in the file's encoding",
        ),
        (
            {"tokens": ["lumo"], "tags": ["B-" + BROKEN]},
            "not_utf8: tags: bytes that are no text in the file's encoding",
        ),
        (tagged("O", "I-PER"), "tag_scheme: token 2: I-PER follows O, expected a B- before"),
        (tagged("I-PER", "O"), "tag_scheme: token 1: I-PER follows O, expected a B- before"),
        (
            tagged("B-LOC", "I-PER"),
            "tag_scheme: token 2: I-PER follows B-LOC, expected a B- before",
        ),
        (tagged("O", "S-PER"), "tag_scheme: token 2: 'S-PER' is not O, B-kind or I-kind"),
        (tagged("O", "PER"), "tag_scheme: token 2: 'PER' is not O, B-kind or I-kind"),
        (tagged("O", "B-"), "tag_scheme: token 2: 'B-' is not O, B-kind or I-kind"),
        (tagged("O", ""), "tag_scheme: token 2: '' is not O, B-kind or I-kind"),
        (tagged("X", "I-PER", "Y"), "tag_scheme: token 1: 'X' is not O, B-kind or I-kind"),
    ],
)
def test_rejected_row_has_a_reason(row: dict[str, Any], message: str) -> None:
    assert fault(row) == message


@pytest.mark.parametrize("token", ["ta mi", "ta\tmi", "ta\u00a0mi", "\u3000", "ta\u2028mi", ""])
def test_token_that_no_raw_text_can_contain_is_rejected(token: str) -> None:
    assert (
        fault({"tokens": ["lumo", token], "tags": ["O", "O"]})
        == f"bad_token: token 2: '{token}' is empty or has a space"
    )


@pytest.mark.parametrize("token", ["ab", "", "e\u0301", " ", "\u3000"])
def test_token_longer_than_one_character_is_rejected_for_tagged_characters(
    token: str,
) -> None:
    row = {"tokens": ["o", token], "tags": ["O", "O"]}
    assert fault(row, is_characters=True) == f"bad_token: token 2: '{token}' is not one character"


@pytest.mark.parametrize("token", ["o", "中", "😀", "é"])
def test_any_single_character_is_a_valid_token(token: str) -> None:
    assert fault({"tokens": [token], "tags": ["O"]}, is_characters=True) is None


@pytest.mark.parametrize(
    "tags",
    [
        ("O",),
        ("B-PER",),
        ("B-PER", "I-PER", "I-PER"),
        ("B-PER", "B-PER"),
        ("B-a-b", "I-a-b"),
        ("B-LOC", "O", "B-PER"),
    ],
)
def test_valid_bio_tags_are_accepted(tags: tuple[str, ...]) -> None:
    assert fault(tagged(*tags)) is None


def test_tags_do_not_continue_from_the_previous_row() -> None:
    rows = checked([tagged("O", "B-PER"), tagged("I-PER")])
    assert rows[1]["reason"] == "token 1: I-PER follows O, expected a B- before"


def test_labels_without_a_mapping_are_not_changed() -> None:
    assert checked([{"text": "lumo", "label": "any"}])[0]["label"] == "any"


def test_rejected_row_keeps_its_raw_values() -> None:
    rows = checked(
        [
            {"text": "lumo", "label": "1"},
            {"text": "lumo ta", "label": "5"},
            {"text": "", "label": "1"},
        ],
        LABELS,
    )
    assert [row["raw"] for row in rows] == [None, "lumo ta\t5", "\t1"]


def test_fault_of_the_format_is_not_overwritten() -> None:
    table = pa.table(
        {
            "text": pa.nulls(1, TEXT),
            "label": pa.nulls(1, TEXT),
            "row": [7],
            "kind": ["fields"],
            "reason": ["1 fields"],
            "raw": ["ta"],
        }
    )
    roles = ("text", "label")
    done = check(table, rules_of(roles, {}), LABELS, roles=roles)
    assert done.select(["reason", "raw"]).to_pylist() == [{"reason": "1 fields", "raw": "ta"}]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("lu\x00mo", "0000"),
        ("ta\x85", "0085"),
        ("\x1cta", "001C"),
        ("\x7f", "007F"),
        ("ta\ufdd0", "FDD0"),
        ("\ufdefта", "FDEF"),
        ("ta\uffff", "FFFF"),
    ],
)
def test_character_that_is_no_text_is_named_in_the_reason(text: str, code: str) -> None:
    assert (
        fault({"text": text, "label": "1"})
        == f"control_characters: text: has the control character U+{code}"
    )


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"source": "lumo", "target": "lumo"}, "source_equals_target"),
        ({"source": "lumo", "target": "ta mi " * 40}, "length_ratio"),
        ({"source": "lumo" * 2000, "target": "sela" * 2000}, "too_long"),
        ({"tokens": ["lumo", "ta"], "tags": ["O"]}, "lengths_differ"),
        ({"tokens": ["ta"] * 2001, "tags": ["O"] * 2001}, "too_long"),
    ],
)
def test_row_that_breaks_a_rule_is_rejected_with_its_kind(row: dict[str, Any], kind: str) -> None:
    assert (fault(row) or "").split(":")[0] == kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.50", "3.5"), (" +4 ", "4"), ("-.5", "-0.5"), ("1e3", "1000"), ("7", "7")],
)
def test_numbers_have_one_valid_notation(text: str, expected: str) -> None:
    (row,) = checked([{"text": "lumo", "score": text}])
    assert (row["kind"], row["score"]) == (None, expected)
