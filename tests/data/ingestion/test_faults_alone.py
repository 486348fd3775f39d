"""Files and blocks without a valid row: each row is rejected with a reason."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from data.formats.base import all_formats, type_of
from data.ingestion.report import Tally
from data.ingestion.splitting import Splitter
from data.rows.check_settings import SHAPES, Shape, rules_of
from data.rows.checks import check
from data.sources.base import Partition
from tests.data.ingestion.test_splitting import parts_of, reviews

PIECE = Partition(split="all", name="day.txt", version="1")
BAD_LINES = {
    "conll": ("lumo\n\n", {"tokens": 0, "tags": -1}, "lengths_differ"),
    "jsonl": (
        '{"tokens": "ta mi", "tags": [[0, 2, "PER"]]}\n',
        {"tokens": "tokens", "tags": "tags"},
        "wrong_type",
    ),
    "csv": ("text,label\na,b,c\n", {"text": "text", "label": "label"}, "fields"),
    "tsv": ("text\tlabel\na\tb\tc\n", {"text": "text", "label": "label"}, "fields"),
    "labelled": ("lumo\n", {"text": 0, "label": 1}, "fields"),
}


def make_dataset(kind: str, content: str, columns: Mapping[str, Any]) -> Any:
    options = {**all_formats()[kind].options, "kind": kind}
    return reviews({"all": content}, format=options, columns=columns)


@pytest.mark.case("42")
@pytest.mark.parametrize("kind", BAD_LINES)
@pytest.mark.parametrize("num", [1, 3])
def test_file_of_only_faults_is_rejected_row_by_row(kind: str, num: int) -> None:
    content, columns, fault = BAD_LINES[kind]
    head, _, rows = content.partition("\n") if kind in ("csv", "tsv") else ("", "", content)
    parts = list(parts_of(make_dataset(kind, (head + "\n" if head else "") + rows * num, columns)))
    assert [part.split for part in parts] == ["refused"]
    assert [row["kind"] for row in parts[0].table.to_pylist()] == [fault] * num


@pytest.mark.case("42")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num", [0, 1, 2])
def test_checks_work_when_no_row_is_valid(shape: Shape, num: int) -> None:
    about = {
        "row": pa.array(range(1, num + 1), pa.int64()),
        **{name: pa.nulls(num, pa.string()) for name in ("reason", "raw")},
    }
    kinds = pa.array(["fields"] * num, pa.string())
    table = pa.table(
        {**{role: pa.nulls(num, type_of(role)) for role in shape}, **about, "kind": kinds}
    )
    for tested in (
        table,
        table.set_column(table.column_names.index("kind"), "kind", pa.nulls(num, pa.string())),
    ):
        done = check(tested, rules_of(shape, {"entities": ["PER"]}), {}, roles=shape)
        assert done["kind"].null_count == 0
        tally = Tally()
        columns = {role: role for role in shape}
        for part in Splitter(reviews({}, columns=columns)).parts(PIECE, done):
            tally.add(part)
        assert tally.as_json(is_characters=False)["refused"] == num


@pytest.mark.case("42")
def test_invalid_sentence_in_one_file_does_not_affect_other_files() -> None:
    dataset = make_dataset("conll", "ta O\n\n", {"tokens": 0, "tags": 1})
    dataset.source.files.update({"train": b"ta O\n\n", "test": b"lumo\n\n"})
    kept = [(part.split, part.table.num_rows) for part in parts_of(dataset)]
    assert ("refused", 1) in kept
    assert sum(num for split, num in kept if split != "refused") >= 1


@pytest.mark.case("42")
@pytest.mark.parametrize(
    ("line", "separator", "hint"),
    [("ta\tO", " ", "tabs"), ("ta O", "\t", "spaces"), ("ta O", "|", "spaces")],
)
def test_line_with_another_separator_is_rejected_with_it(
    line: str, separator: str, hint: str
) -> None:
    dataset = make_dataset("conll", f"{line}\n\n", {"tokens": 0, "tags": 1})
    dataset.format["separator"] = separator
    (part,) = parts_of(dataset)
    assert f"it has {hint}, look at separator of its format" in part.table["reason"][0].as_py()


@pytest.mark.case("14")
@pytest.mark.parametrize("spans", [[[0, 2, "PER"]], [{"start": 0, "end": 2, "label": "PER"}]])
@pytest.mark.parametrize("tokens", ["ta mi", ["ta", "mi"]])
def test_character_spans_are_rejected_with_advice_to_use_tokens(tokens: Any, spans: Any) -> None:
    line = json.dumps({"tokens": tokens, "tags": spans})
    (part,) = parts_of(make_dataset("jsonl", line + "\n", {"tokens": "tokens", "tags": "tags"}))
    assert part.table["kind"].to_pylist() == ["wrong_type"]
    assert "must be cut into tokens with one tag each" in part.table["reason"][0].as_py()
