import datetime
import decimal
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats import tables
from data.formats.base import all_formats
from data.formats.columnar import from_columns
from data.formats.encoding import BROKEN
from tests.data.reading import read, values

TABLE: dict[str, str | int] = {"text": "text", "label": "label"}
SAMPLE = pa.table(
    {"text": ["ab", "cd", None], "label": pa.array([1, None, 3]), "other": [b"x", b"y", b"z"]}
)


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def arrow(new: Callable[..., Any]) -> Callable[..., bytes]:
    def write(table: pa.Table) -> bytes:
        file = io.BytesIO()
        with new(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
        return file.getvalue()

    return write


WRITERS = {
    "parquet": parquet,
    "arrow file": arrow(pa.ipc.new_file),
    "arrow stream": arrow(pa.ipc.new_stream),
}


@pytest.mark.parametrize("name", WRITERS)
def test_file_gives_the_columns_of_the_roles(name: str) -> None:
    rows = read(name.split()[0], WRITERS[name](SAMPLE), TABLE)
    assert values(rows, "row", "text", "label") == [(1, "ab", "1"), (2, "cd", None), (3, None, "3")]


@pytest.mark.parametrize("name", WRITERS)
def test_stream_that_cannot_seek_is_read(name: str) -> None:
    content = WRITERS[name](SAMPLE)
    assert read(name.split()[0], content, TABLE, seed=3) == read(name.split()[0], content, TABLE)


@pytest.mark.parametrize("name", WRITERS)
def test_packed_file_is_unpacked_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gzip._GzipReader._rewind", None)  # called to go back
    path = tmp_path / "packed.gz"
    path.write_bytes(gzip.compress(WRITERS[name](SAMPLE)))
    form = all_formats()[name.split()[0]]
    with gzip.open(path) as stream:
        found = pa.concat_tables(form.read([stream], TABLE, {}))
    assert found["text"].to_pylist() == ["ab", "cd", None]


@pytest.mark.parametrize("name", WRITERS)
def test_rows_are_read_in_blocks_of_limited_size(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK_BYTES", 50_000)
    table = pa.table(
        {"text": [f"lumo {number} " * 20 for number in range(5000)], "label": [1] * 5000}
    )
    content = parquet(table, row_group_size=2500) if name == "parquet" else WRITERS[name](table)
    form = all_formats()[name.split()[0]]
    found = list(form.read([io.BytesIO(content)], TABLE, {}))
    assert pa.concat_tables(found)["row"].to_pylist() == list(range(1, 5001))
    assert max(table.nbytes for table in found) < 500_000


@pytest.mark.parametrize(
    ("kind", "content", "columns", "message"),
    [
        (
            "parquet",
            b"PK\x03\x04 not Parquet at all",
            TABLE,
            "its first bytes are those of zip, expected parquet",
        ),
        (
            "parquet",
            b"PAR1 not Parquet at all",
            TABLE,
            "cannot be read as Parquet: Parquet magic bytes not found",
        ),
        (
            "arrow",
            b"text,label\na,b\n",
            TABLE,
            "is text that begins with 'text,label', expected arrow",
        ),
        ("arrow", WRITERS["arrow stream"](SAMPLE)[:-150], TABLE, "cannot be read as Arrow"),
        ("arrow", WRITERS["arrow file"](SAMPLE)[:-150], TABLE, "cannot be read as Arrow"),
        (
            "parquet",
            parquet(SAMPLE),
            {"text": "txet"},
            r"has no column 'txet': did you mean text\?",
        ),
        ("arrow", WRITERS["arrow file"](SAMPLE), {"text": "text.a"}, "has no column 'text.a'"),
    ],
)
def test_file_that_does_not_match_the_entry_raises_with_its_name(
    kind: str, content: bytes, columns: dict[str, str | int], message: str
) -> None:
    with pytest.raises(RowError, match=message):
        read(kind, content, columns)


@pytest.mark.parametrize("name", ["arrow file", "arrow stream"])
def test_file_with_list_offsets_beyond_its_values_raises(name: str) -> None:
    table = pa.table({"tokens": [["ab"], ["cd", "ef"]], "tags": [["O"], ["O", "O"]]})
    ends = np.array([0, 1, 3], np.int32).tobytes()
    content = WRITERS[name](table)
    assert ends in content
    wild = content.replace(ends, np.array([0, 1, 2**30], np.int32).tobytes())
    with pytest.raises(RowError, match="cannot be read as Arrow"):
        read("arrow", wild, {"tokens": "tokens", "tags": "tags"})


@pytest.mark.parametrize("name", WRITERS)
def test_file_with_invalid_utf8_raises_with_its_name(name: str) -> None:
    content = WRITERS[name](pa.table({"text": ["lumo sela"], "label": ["x"]}))
    with pytest.raises(RowError, match=r"cannot be read as .*UTF8"):
        read(name.split()[0], content.replace(b"lumo sela", b"lumo\xffsela"), TABLE)


def one(column: pa.Array, role: str = "label") -> list[tuple[Any, Any]]:
    found = from_columns(pa.table({"c": column}), {role: "c"}, 1)
    return [(row[role], row["reason"]) for row in found.to_pylist()]


@pytest.mark.parametrize(
    "type_",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
    ],
)
@pytest.mark.parametrize("role", ["text", "label", "key", "where.x"])
def test_text_columns_of_any_string_type_are_read(type_: pa.DataType, role: str) -> None:
    assert one(pa.array(["a", None, "é"]).cast(type_), role) == [
        ("a", None),
        (None, None),
        ("é", None),
    ]


@pytest.mark.parametrize("index", [pa.int8(), pa.int32()])
def test_dictionary_columns_are_decoded(index: pa.DataType) -> None:
    column = (
        pa.array(["a", None, "b", "a"]).dictionary_encode().cast(pa.dictionary(index, pa.string()))
    )
    assert one(column, "text") == [("a", None), (None, None), ("b", None), ("a", None)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None], pa.int8()), ["1", None]),
        (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([3.0, None], pa.float32()), ["3", None]),
        (pa.array([decimal.Decimal("4.00"), decimal.Decimal("-5.00")]), ["4", "-5"]),
        (pa.array([datetime.date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.array([datetime.datetime(2020, 1, 2, 3)], pa.timestamp("s")), ["2020-01-02 03:00:00"]),
        (pa.nulls(2), [None, None]),
    ],
)  # fmt: skip
def test_labels_and_keys_may_be_numbers_booleans_and_dates(
    column: pa.Array, expected: list[str | None]
) -> None:
    assert one(column) == one(column, "key") == [(value, None) for value in expected]


@pytest.mark.parametrize(
    "column",
    [pa.array([12, None]), pa.array([12.0, None]), pa.array([True, None]), pa.array([["a"], None])],
)
def test_text_of_another_type_is_a_fault_and_null_is_not(column: pa.Array) -> None:
    (value, reason), empty = one(column, "text")
    assert value is None
    assert reason.startswith("text: expected text, got ")
    assert empty == (None, None)


@pytest.mark.parametrize(
    ("column", "got"),
    [
        (pa.array([2.5]), "2.5"),
        (pa.array([float("nan")]), "NaN"),
        (pa.array([float("inf")]), "Infinity"),
        (pa.array([2.0**60]), "1.152921504606847e+18"),
        (pa.array([decimal.Decimal("1.50")]), '"1.50"'),
        (pa.array([["a"]]), '["a"]'),
        (pa.array([{"a": 1}]), '{"a": 1}'),
        (pa.array([["lumo " * 99]]), '["' + ("lumo " * 99)[:78] + "..."),
    ],
)  # fmt: skip
def test_label_of_an_unsupported_type_is_a_fault(column: pa.Array, got: str) -> None:
    assert one(column) == [(None, f"label: expected text or a whole number, got {got}")]


def test_bytes_that_are_not_utf8_mark_their_own_row() -> None:
    assert one(pa.array([b"a", b"caf\xe9", None]), "text") == [
        ("a", None),
        (f"caf{BROKEN}e9", None),
        (None, None),
    ]


@pytest.mark.parametrize(
    "type_",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.string(), 2),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_list_columns_of_any_list_type_are_read(type_: pa.DataType) -> None:
    column = pa.array([["a", "b"], None, ["c", "d"]], type_)
    assert one(column, "tokens") == [(["a", "b"], None), (None, None), (["c", "d"], None)]


def test_tags_may_be_numbers_and_tokens_may_not() -> None:
    column = pa.array([[1, 2], [], None])
    assert one(column, "tags") == [(["1", "2"], None), ([], None), (None, None)]
    assert one(column, "tokens")[0] == (None, "tokens: expected a list of texts, got [1, 2]")


def test_slice_of_lists_is_read_correctly() -> None:
    table = pa.table(
        {
            "tokens": [["a"], ["b", "c"], None, ["d", None]],
            "tags": [["O"], ["O", "O"], ["O"], ["O", "O"]],
        }
    )
    columns = {"tokens": "tokens", "tags": "tags"}
    for start in range(4):
        complete = from_columns(table, columns, 1)
        part = from_columns(table.slice(start, 2), columns, 1 + start)
        assert part.to_pylist() == complete.slice(start, 2).to_pylist()


def test_different_numbers_of_tokens_and_tags_are_a_fault() -> None:
    table = pa.table({"tokens": [["a"], ["b", "c"]], "tags": [["O"], ["O"]]})
    rows = from_columns(table, {"tokens": "tokens", "tags": "tags"}, 8).to_pylist()
    assert values(rows, "row", "tokens", "kind", "reason", "raw") == [
        (8, ["a"], None, None, None),
        (9, None, "lengths_differ", "2 tokens and 1 tags", '{"tokens": ["b", "c"], "tags": ["O"]}'),
    ]


def test_column_name_with_a_dot_takes_precedence_over_struct_fields() -> None:
    nested = pa.array([{"x": {"y": "1"}}, None])
    assert from_columns(pa.table({"m": nested}), {"key": "m.x.y"}, 1)["key"].to_pylist() == [
        "1",
        None,
    ]
    flat = pa.table({"m": nested, "m.x.y": ["2", "3"]})
    assert from_columns(flat, {"key": "m.x.y"}, 1)["key"].to_pylist() == ["2", "3"]


def test_nearest_name_is_suggested_at_each_depth() -> None:
    table = pa.table({"meta": pa.array([{"text": "a"}]), "text": ["b"]})
    with pytest.raises(RowError, match=r"has no column 'meta.txt': did you mean meta.text\?"):
        from_columns(table, {"text": "meta.txt"}, 1)
    with pytest.raises(RowError, match="has 2 columns 'a', expected one"):
        from_columns(pa.table([["x"], ["y"]], names=["a", "a"]), {"text": "a"}, 1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | st.text(max_size=9), st.none() | st.integers(-(2**63), 2**63 - 1)),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 7),
)
def test_rows_written_as_parquet_are_read_back_equal(
    rows: list[tuple[str | None, int | None]], group: int
) -> None:
    table = pa.table(
        {
            "text": pa.array([row[0] for row in rows], pa.string()),
            "label": pa.array([row[1] for row in rows], pa.int64()),
        }
    )
    found = read("parquet", parquet(table, row_group_size=group), TABLE)
    assert values(found, "row", "text", "label") == [
        (number, text, None if label is None else str(label))
        for number, (text, label) in enumerate(rows, 1)
    ]


@pytest.mark.parametrize("sizes", [(3, 3), (3, 300), (300, 3), (3, 3, 3)])
@pytest.mark.parametrize("options", [{}, {"write_page_index": True}, {"row_group_size": 2}])
def test_concatenated_parquet_files_raise(sizes: tuple[int, ...], options: dict[str, Any]) -> None:
    files = [
        parquet(
            pa.table({"text": [f"row {i}" for i in range(num)], "label": ["a"] * num}), **options
        )
        for num in sizes
    ]
    for whole in files:
        assert len(read("parquet", whole, TABLE)) > 0
    with pytest.raises(RowError, match="several Parquet files one behind the other"):
        read("parquet", b"".join(files), TABLE)


def test_concatenated_arrow_streams_raise() -> None:
    with pytest.raises(RowError, match="several Arrow files one behind the other"):
        read("arrow", 2 * WRITERS["arrow stream"](SAMPLE), TABLE)


def test_parquet_footer_that_names_no_page_is_no_joined_file() -> None:
    column = SimpleNamespace(
        dictionary_page_offset=None, data_page_offset=0, total_compressed_size=5
    )
    group = SimpleNamespace(column=lambda number: column)
    footer = SimpleNamespace(num_row_groups=1, num_columns=1, row_group=lambda number: group)
    stream = io.BytesIO(b"PAR1" + bytes(20) + (4).to_bytes(4, "little") + b"PAR1")
    tables._check_single(stream, footer)
    assert stream.tell() == 0
