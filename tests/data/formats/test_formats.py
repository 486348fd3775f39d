from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats.base import TEXT, Fault, all_formats, as_table, faults_table
from tests.data.reading import read, small_blocks

ROLES = ("text", "label", "score", "tokens", "tags", "source", "target")
COLUMNS: dict[str, dict[str, str | int]] = {
    "names": {"text": "text", "label": "label"},
    "numbers": {"tokens": 0, "tags": 1},
    "header": {"text": 0, "label": 1},
    "none": {},
}
OF_ABC: dict[str, str | int] = {"text": "tune", "label": "R"}


def columns_of(kind: str) -> dict[str, str | int]:
    return OF_ABC if kind == "abc" else COLUMNS[all_formats()[kind].columns]


def test_every_format_of_the_catalog_exists() -> None:
    assert sorted(all_formats()) == [
        "abc",
        "arrow",
        "conll",
        "csv",
        "jsonl",
        "labelled",
        "parallel",
        "parquet",
        "text",
        "tsv",
    ]


@pytest.mark.parametrize("kind", all_formats())
def test_format_declares_its_options_and_row_shapes(kind: str) -> None:
    form = all_formats()[kind]
    assert form.columns in COLUMNS
    assert form.shapes
    assert all(role in ROLES for shape in form.shapes for role in shape)
    assert set(form.choices) <= set(form.options)
    assert all(form.options[option] in choices for option, choices in form.choices.items())


@pytest.mark.parametrize("kind", all_formats())
@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(st.binary(max_size=300), min_size=2, max_size=2),
    seed=st.integers(0, 9),
    size=st.integers(4, 40),
)
def test_any_bytes_give_rows_or_raise_row_error_in_any_format(
    kind: str, contents: list[bytes], seed: int, size: int
) -> None:
    numbers: list[int] = []
    with small_blocks(size), suppress(RowError):
        rows = read(kind, contents[: all_formats()[kind].num_streams], columns_of(kind), seed=seed)
        numbers = [row["row"] for row in rows]
    assert numbers == sorted(numbers)  # what the tables promise, ``read`` checks


LINES = st.lists(st.text(st.sampled_from('ab ,"\t:X{}[]\\\r#é\u2028'), max_size=8), max_size=12)


@pytest.mark.parametrize(
    "kind", [kind for kind in all_formats() if kind not in ("csv", "tsv", "parquet", "arrow")]
)
@settings(max_examples=60, deadline=None)
@given(lines=st.tuples(LINES, LINES), seed=st.integers(0, 9), size=st.integers(4, 40))
def test_rows_do_not_depend_on_block_size(
    kind: str, lines: tuple[list[str], list[str]], seed: int, size: int
) -> None:
    num = min(map(len, lines))
    contents = ["\n".join([*side[:num], "end"]).encode() for side in lines][
        : all_formats()[kind].num_streams
    ]
    assume(
        kind != "jsonl" or not contents[0].lstrip().startswith(b"[")
    )  # an array that is not JSON stops its file
    expected = read(kind, contents, columns_of(kind))
    with small_blocks(size):
        assert read(kind, contents, columns_of(kind), seed=seed) == expected


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "conll", "text", "abc"])
def test_byte_order_mark_is_not_part_of_the_text(kind: str) -> None:
    contents: dict[str, Any] = {
        "csv": "text,label\na,x\n",
        "tsv": "text\tlabel\na\tx\n",
        "jsonl": '{"text":"a","label":"x"}',
        "conll": "a O\n",
        "text": "a",
        "abc": "X:1\nR:a",
    }
    columns = columns_of(kind)
    plain = read(kind, contents[kind].encode(), columns)
    assert plain
    assert read(kind, contents[kind].encode("utf-8-sig"), columns) == plain
    assert read(kind, contents[kind].encode("utf-16"), columns) == plain


def test_values_of_a_row_with_a_fault_are_removed() -> None:
    table = as_table(
        {"text": pa.array(["a", "b"]), "label": pa.array(["x", "y"])},
        [4, 5],
        {1: Fault("fields", "why", "b,y")},
    )
    assert table.to_pylist() == [
        {"text": "a", "label": "x", "row": 4, "kind": None, "reason": None, "raw": None},
        {"text": None, "label": None, "row": 5, "kind": "fields", "reason": "why", "raw": "b,y"},
    ]


def test_table_of_only_faults_has_the_same_columns() -> None:
    table = faults_table({"text": 0, "label": 1}, {7: Fault("fields", "why", "raw")})
    assert (
        table.schema == as_table({"text": pa.array(["a"]), "label": pa.nulls(1, TEXT)}, [1]).schema
    )
