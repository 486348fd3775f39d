import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.formats import jsonl
from data.formats.encoding import BROKEN
from tests.data.reading import read, small_blocks, values

TABLE: dict[str, str | int] = {"text": "text", "label": "label"}
SENTENCES: dict[str, str | int] = {"tokens": "tokens", "tags": "tags"}

CUT_FIRST = (
    ". Texts and spans of characters must be cut into tokens with one tag each before "
    "they are read: see docs/data.md"
)


def rows_of(
    *lines: str, columns: dict[str, str | int] = TABLE, **options: Any
) -> list[dict[str, Any]]:
    return read("jsonl", "\n".join(lines).encode(), columns, **options)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"text":"a","label":"x"}', ("a", "x")),
        ('{"text":"a","label":1}', ("a", "1")),
        ('{"text":"a","label":-0}', ("a", "0")),
        ('{"text":"a","label":2.0}', ("a", "2")),
        ('{"text":"a","label":1e2}', ("a", "100")),
        ('{"text":"a","label":true}', ("a", "true")),
        ('{"text":"a","label":null}', ("a", None)),
        ('{"text":"a"}', ("a", None)),
        (
            '{"text":"a","label":123456789012345678901234567890}',
            ("a", "123456789012345678901234567890"),
        ),
        ('{"text":"2020-01-01","label":"1.50"}', ("2020-01-01", "1.50")),
        ('{"text":"\\u00e9\\n\\ud83d\\ude00","label":"x"}', ("é\n😀", "x")),
        ('{"te\\u0078t":"a","label":"x"}', ("a", "x")),
        ('{"text":"a","label":"x","more":[NaN,{"text":"b"}]}', ("a", "x")),
        (' {"text": "a", "label": "x"} ', ("a", "x")),
        ('{"text":"a","label":"x","text":"b"}', ("b", "x")),
    ],
)
def test_scalar_values_become_texts(line: str, expected: tuple[str | None, str | None]) -> None:
    assert values(rows_of(line), "text", "label", "kind") == [(*expected, None)]


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        ("oops", "not_json", "not JSON: Expecting value at character 1"),
        ('{"text":"a"', "not_json", "not JSON: Expecting ',' delimiter at character 12"),
        ('{"text":"a"}{"text":"b"}', "not_json", "not JSON: Extra data at character 13"),
        ('["a"]', "not_json", 'expected an object, got ["a"]'),
        ("null", "not_json", "expected an object, got null"),
        ('{"text":12,"label":"x"}', "wrong_type", "text: expected text, got 12"),
        ('{"text":true}', "wrong_type", "text: expected text, got true"),
        (
            '{"text":"a","label":2.5}',
            "wrong_type",
            "label: expected text or a whole number, got 2.5",
        ),
        (
            '{"text":"a","label":NaN}',
            "wrong_type",
            "label: expected text or a whole number, got NaN",
        ),
        (
            '{"text":"a","label":1e300}',
            "wrong_type",
            "label: expected text or a whole number, got 1e+300",
        ),
        ('{"text":["a"]}', "wrong_type", 'text: expected text, got ["a"]'),
        ('{"text":{"b":1}}', "wrong_type", 'text: expected text, got {"b": 1}'),
        (
            '{"text":"\\ud83d"}',
            "wrong_type",
            'text: expected text, got half of a surrogate pair in "\\ud83d"',
        ),
    ],
)
def test_invalid_line_is_kept_with_its_reason(line: str, kind: str, reason: str) -> None:
    rows = rows_of('{"text":"a","label":1}', line, '{"text":"b","label":1}')
    assert values(rows, "row", "kind", "reason", "raw") == [
        (1, None, None, None),
        (2, kind, reason, line),
        (3, None, None, None),
    ]


def test_deep_nesting_is_a_fault() -> None:
    rows = rows_of('{"text":' + "[" * 50_000, '{"text":"a"}')
    assert values(rows, "kind") == ["not_json", None]
    assert rows[0]["reason"].startswith("not JSON: maximum recursion depth exceeded")


def test_blank_lines_are_skipped_but_numbered() -> None:
    assert values(rows_of("", '{"text":"a"}', " \t", "", '{"text":"b"}\r', ""), "row", "text") == [
        (2, "a"),
        (5, "b"),
    ]


def test_blank_file_has_no_rows() -> None:
    assert rows_of("") == rows_of("\n\n") == []


def test_dots_select_fields_of_objects() -> None:
    lines = [
        '{"meta":{"text":"a"}}',
        '{"meta":null}',
        '{"meta":{}}',
        '{"meta":"b"}',
        '{"meta.text":"c"}',
    ]
    rows = rows_of(*lines, columns={"text": "meta.text"})
    assert values(rows, "text", "reason") == [
        ("a", None),
        (None, None),
        (None, None),
        (None, 'meta.text: expected an object, got "b"'),
        ("c", None),
    ]


def test_column_cannot_be_both_text_and_object() -> None:
    rows = rows_of(
        '{"meta":{"text":"a"}}', '{"meta":"b"}', columns={"text": "meta.text", "label": "meta"}
    )
    assert values(rows, "kind") == ["wrong_type", "wrong_type"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"tokens":["a","b"],"tags":["B-X","O"]}', (["a", "b"], ["B-X", "O"], None)),
        ('{"tokens":["a","b"],"tags":[1,0]}', (["a", "b"], ["1", "0"], None)),
        ('{"tokens":[],"tags":[]}', ([], [], None)),
        ('{"tokens":["a"],"tags":null}', (["a"], None, None)),
        ('{"tokens":["a","b"],"tags":["O"]}', (None, None, "2 tokens and 1 tags")),
        (
            '{"tokens":["a",null],"tags":["O","O"]}',
            (None, None, 'tokens: expected a list of texts, got ["a", null]'),
        ),
        ('{"tokens":[1],"tags":["O"]}', (None, None, "tokens: expected a list of texts, got [1]")),
        (
            '{"tokens":"a","tags":["O"]}',
            (None, None, 'tokens: expected a list of texts, got "a"' + CUT_FIRST),
        ),
        (
            '{"tokens":["a"],"tags":[true]}',
            (None, None, "tags: expected a list of texts or whole numbers, got [true]"),
        ),
    ],
)
def test_tokens_and_tags_are_lists_of_the_same_length(line: str, expected: tuple[Any, ...]) -> None:
    assert values(rows_of(line, columns=SENTENCES), "tokens", "tags", "reason") == [expected]


def test_bytes_that_are_not_utf8_mark_their_own_row() -> None:
    rows = read("jsonl", b'{"text":"a"}\n{"text":"caf\xe9"}\n{"text":"b"}', {"text": "text"})
    assert values(rows, "text") == ["a", f"caf{BROKEN}e9", "b"]


def test_invalid_line_changes_no_other_row() -> None:
    lines = [json.dumps({"text": f"lumo {i}", "label": i}) for i in range(9000)]
    lines[4321] = "odd"
    rows = rows_of(*lines)
    assert values(rows, "row") == list(range(1, 9001))
    assert all(
        row["text"] == f"lumo {i}" and row["label"] == str(i)
        for i, row in enumerate(rows)
        if i != 4321
    )
    assert rows[4321]["kind"] == "not_json"


@pytest.mark.parametrize("is_last", [True, False])
def test_long_line_beside_an_invalid_one_is_read(is_last: bool) -> None:
    long = json.dumps({"text": "lumo " * 9000, "label": "x"})
    lines = ["odd", long] if is_last else [long, "odd"]
    with patch.object(jsonl, "SMALLEST_BYTES", 64):
        assert values(rows_of(*lines, ""), "kind") == (
            ["not_json", None] if is_last else [None, "not_json"]
        )


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "2020-01-01", "1"])
)
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(st.sampled_from(["text", "b"]), SCALARS, max_size=2)
)
OBJECTS = st.dictionaries(
    st.sampled_from(["text", "label", "tokens", "tags", "meta"]), VALUES, max_size=5
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(OBJECTS | VALUES, max_size=12),
    st.sampled_from([TABLE, SENTENCES, {"text": "meta.text", "key": "label"}]),
    st.booleans(),
    st.integers(4, 60),
)
def test_block_parser_equals_reading_line_by_line(
    found: list[Any], columns: dict[str, str | int], is_ascii: bool, size: int
) -> None:
    assume(not (found and isinstance(found[0], list)))  # it may be an array of rows
    lines = [
        json.dumps(each, ensure_ascii=is_ascii)
        .encode("utf-8", "surrogatepass")
        .decode("utf-8", "replace")
        for each in found
    ]
    with patch.object(jsonl, "_read_at_once", lambda *_, **__: None):
        slow = rows_of(*lines, columns=columns)
    with small_blocks(size):
        assert (
            rows_of(*lines, columns=columns, seed=size) == rows_of(*lines, columns=columns) == slow
        )
    assert rows_of(*lines, columns=columns) == slow
    assert values(slow, "row") == list(range(1, len(lines) + 1))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from('{}[]":,\\ \rtexlab1nu'), max_size=12), max_size=12))
def test_every_nonblank_line_is_a_row_or_a_fault(lines: list[str]) -> None:
    assume(not "".join(lines).lstrip().startswith("["))  # an array that is not JSON stops its file
    rows = rows_of(*lines, '{"text":"end"}')
    assert values(rows, "row") == [
        number for number, line in enumerate([*lines, "end"], 1) if line.strip()
    ]
    assert all(
        row["kind"] for row in rows[:-1] if not isinstance(_parsed(lines[row["row"] - 1]), dict)
    )


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def test_score_may_be_a_number_or_its_text() -> None:
    rows = rows_of(
        '{"text":"a","score":1.5}',
        '{"text":"b","score":2}',
        '{"text":"c","score":"3.5"}',
        '{"text":"d","score":true}',
        columns={"text": "text", "score": "score"},
    )
    assert [row["score"] for row in rows[:3]] == ["1.5", "2", "3.5"]
    assert rows[3]["reason"] == "score: expected a number, got true"
