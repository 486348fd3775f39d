"""Predictions of files: raw rows in, Parquet out, in parts."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RowError
from tasks.inference import predict_files as writing
from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions
from tasks.inference.text_files import evenly, format_of
from tasks.predict import choose, predict_files
from tasks.registry.registered_model import Loaded
from tasks.task_states import directly
from tests.tasks.served import TEXTS, Served

ROWS = [*TEXTS, *(f"{text} {text}" for text in TEXTS)]


def answered(model: str, source: Path, target: Path, **changes: Any) -> Predictions:
    return directly(
        predict_files, directly(choose, model), str(source), str(target), PredictSettings(**changes)
    )


@pytest.fixture
def texts(models: dict[str, Served], tmp_path: Path) -> Path:
    """A CSV file of twelve texts, beside a store with models."""
    path = tmp_path / "texts.csv"
    path.write_text("number,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(ROWS)))
    return path


def written(source: Path, kind: str) -> Path:
    """The same texts in another format."""
    path, table = source.with_suffix(f".{kind}"), pa.table({"text": ROWS})
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ROWS))
    else:
        path.write_bytes(gzip.compress(source.read_bytes()))
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "csv.gz"])
def test_predictions_keep_row_order_for_every_format(
    texts: Path, tmp_path: Path, kind: str
) -> None:
    source = texts if kind == "csv" else written(texts, kind)
    summary = answered("made_sentiment/1", source, tmp_path / "out", part_rows=5)
    assert (summary.rows, summary.refused, summary.version) == (12, 0, "1")
    found = pd.read_parquet(tmp_path / "out")
    parts = [ROWS[:5], ROWS[5:10], ROWS[10:]]
    expected = pd.concat(
        [
            Loaded.of("made_sentiment", "1").predict(pd.DataFrame({"text": part}), None)
            for part in parts
        ]
    )
    assert found["text"].tolist() == ROWS
    assert found["label"].tolist() == expected["label"].tolist()
    assert found["score"].tolist() == expected["score"].tolist()
    assert found["probabilities"].tolist() == expected["probabilities"].tolist()
    first = 2 if kind.startswith("csv") else 1  # a header is a row of its file
    assert found["row"].tolist() == list(range(first, 12 + first))
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 3


def test_each_part_records_its_model_and_source(
    texts: Path, models: dict[str, Served], tmp_path: Path
) -> None:
    answered("made_sentiment/1", texts, tmp_path / "out", params={"threshold": 0.1})
    metadata = {
        k.decode(): v.decode()
        for k, v in pq.read_schema(tmp_path / "out" / "part-00001.parquet").metadata.items()
    }
    made = models["sentiment"]
    assert (metadata["refrain.model"], metadata["refrain.version"]) == ("made_sentiment", "1")
    assert metadata["refrain.scores"] == made.scores.digest
    assert (metadata["refrain.checkpoint"], metadata["refrain.tokens"]) == (
        made.checkpoint.digest,
        made.tokens.digest,
    )
    assert json.loads(metadata["refrain.params"]) == {"threshold": 0.1}
    assert metadata["refrain.source"].endswith("texts.csv")


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}


def test_rerun_predicts_only_missing_parts(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answered("made_sentiment/1", texts, out, part_rows=5)
    before, whole = stamps(out), (out / "part-00002.parquet").read_bytes()
    assert answered("made_sentiment/1", texts, out, part_rows=5).rows == 12
    assert stamps(out) == before
    (out / "part-00002.parquet").unlink()
    answered("made_sentiment/1", texts, out, part_rows=5)
    after = stamps(out)
    assert {name for name in after if after[name] != before[name]} == {"part-00002.parquet"}
    assert (out / "part-00002.parquet").read_bytes() == whole


def test_killed_run_resumes_after_the_last_part(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", writing.Answers.write

    def killed(self: Any, table: pa.Table, path: Path, *rest: Any) -> None:
        if path.name == "part-00002.parquet":
            raise KeyboardInterrupt
        write(self, table, path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(writing.Answers, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            answered("made_sentiment/1", texts, out, part_rows=5)
    before = stamps(out)
    assert list(before) == ["part-00001.parquet"]
    assert answered("made_sentiment/1", texts, out, part_rows=5).rows == 12
    assert stamps(out)["part-00001.parquet"] == before["part-00001.parquet"]
    assert pd.read_parquet(out)["text"].tolist() == ROWS


@pytest.mark.parametrize("changes", [{"params": {"threshold": 0.2}}, {"part_rows": 6}])
def test_changed_settings_give_new_predictions(
    texts: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    answered("made_sentiment/1", texts, out, part_rows=5)
    before = stamps(out)
    answered("made_sentiment/1", texts, out, **{"part_rows": 5, **changes})
    after = stamps(out)
    assert not before.items() & after.items()
    assert len(after) == (2 if "part_rows" in changes else 3)  # no part of before is left


def test_rejected_rows_are_written_separately_with_reasons(
    models: dict[str, Served], tmp_path: Path
) -> None:
    source = tmp_path / "rows.jsonl"
    rows = [
        '{"text": "lumo"}',
        '{"text": ""}',
        "{broken",
        '{"text": null}',
        '{"text": "sela"}',
        '{"other": 1}',
    ]
    source.write_text("\n".join(rows) + "\n")
    summary = answered("made_translation/1", source, tmp_path / "out", part_rows=4)
    assert (summary.rows, summary.refused) == (2, 4)
    found = pd.read_parquet(tmp_path / "out")
    assert found["row"].tolist() == [1, 5]
    refused = pd.read_parquet(tmp_path / "out" / "_refused").sort_values("row")
    assert refused["row"].tolist() == [2, 3, 4, 6]
    assert refused["kind"].tolist() == ["no_text", "not_json", "no_text", "no_text"]
    assert refused["raw"].tolist()[1] == "{broken"


def test_only_the_row_that_the_model_rejects_is_rejected(
    models: dict[str, Served], tmp_path: Path
) -> None:
    source = tmp_path / "starts.csv"
    source.write_text(
        "text,label\n" + "".join(f"lumo,{label}\n" for label in ("so", "no", "zz", "so", "yy"))
    )
    summary = answered(
        "made_generation/1", source, tmp_path / "out", columns={"text": "text", "label": "label"}
    )
    assert (summary.rows, summary.refused) == (3, 2)
    found, refused = (
        pd.read_parquet(tmp_path / "out"),
        pd.read_parquet(tmp_path / "out" / "_refused"),
    )
    assert found["row"].tolist() == [2, 3, 5]
    assert found["label"].tolist() == ["so", "no", "so"]
    assert refused["row"].tolist() == [4, 6]
    assert "there is no 'zz'" in refused["reason"].iloc[0]


def test_equal_prompts_are_continued_differently_in_each_part(
    models: dict[str, Served], tmp_path: Path
) -> None:
    source = tmp_path / "starts.jsonl"
    source.write_text('{"text": ""}\n' * 4)
    answered("made_generation/1", source, tmp_path / "out", part_rows=1, params={"seed": 5})
    assert pd.read_parquet(tmp_path / "out")["text"].nunique() == 4


def test_parts_with_and_without_entities_are_one_table(
    models: dict[str, Served], tmp_path: Path
) -> None:
    source = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"words": [["ta", "Kalo Bren"], ["lumo"]]}), source)
    for threshold, out in ((0.0, "all"), (1.0, "none")):
        answered(
            "made_ner/1",
            source,
            tmp_path / out,
            columns={"tokens": "words"},
            part_rows=1,
            params={"threshold": threshold},
        )
    found = pq.read_table(tmp_path / "none")
    assert found.schema.equals(pq.read_table(tmp_path / "all").schema)
    assert [len(tags) for tags in found["tags"].to_pylist()] == [2, 1]
    assert found["tokens"].to_pylist() == [["ta", "Kalo Bren"], ["lumo"]]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        (
            "texts.txt",
            {},
            "texts.txt: a file to predict must end in one of csv, tsv, jsonl, ndjson, parquet",
        ),
        ("none.csv", {}, "none.csv"),
        (
            "texts.csv",
            {"columns": {"text": "txt"}},
            "texts.csv: has no column 'txt': did you mean text",
        ),
        (
            "texts.csv",
            {"params": {"beam_width": 2}},
            "made_sentiment version 1 has no parameter beam_width, only threshold",
        ),
        ("texts.csv", {"params": {"threshold": 7.0}}, "threshold must be at most 1, got 7.0"),
    ],
)
def test_predict_files_raises_for_invalid_input(
    texts: Path, tmp_path: Path, name: str, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises((ValueError, OSError), match=expected):
        answered("made_sentiment/1", tmp_path / name, tmp_path / "out", **changes)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("made_sentimnt", "there is no model 'made_sentimnt': did you mean made_sentiment"),
        ("made_sentiment/9", "made_sentiment has no version '9': expected one of 1"),
        (
            "made_sentiment@best",
            "made_sentiment has no best: name a version, as in made_sentiment/1",
        ),
    ],
)
def test_predict_files_raises_for_a_missing_model(
    models: dict[str, Served], model: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        directly(choose, model)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"columns": {}}, "columns must name some of"),
        ({"columns": {"txt": "a"}}, "got txt"),
        ({"part_rows": 0}, "at least 1, got 0"),
    ],
)
def test_settings_raise_for_invalid_values(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        PredictSettings(**changes)


def test_format_is_derived_from_the_address() -> None:
    assert [
        format_of(name) for name in ("a.csv", "s3://b/c.JSONL.gz", "http://x/y.parquet?z=1.txt")
    ] == [
        "csv",
        "jsonl",
        "parquet",
    ]
    with pytest.raises(RowError, match="did you mean parquet"):
        format_of("a.parqet")


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_rows_are_divided_evenly_and_none_is_lost(size: int) -> None:
    tables = [
        pa.table({"n": pa.array(range(start, stop), pa.int64())})
        for start, stop in ((0, 5), (5, 5), (5, 6), (6, 14))
    ]
    parts = [part["n"].to_pylist() for part in evenly(iter(tables), size)]
    assert [n for part in parts for n in part] == list(range(14))
    assert all(len(part) == size for part in parts[:-1])
    assert 0 < len(parts[-1]) <= size
