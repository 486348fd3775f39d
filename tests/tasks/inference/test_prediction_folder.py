"""The folder of predictions: files that predictions did not write are never changed."""

import errno
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions, chosen_version, write_predictions
from tasks.inference.prediction_folder import check_sources, check_target, local_folder, write_part
from tests.tasks.served import Served

pytestmark = pytest.mark.case("24")


def predicted(
    model: str, source: str | Path | list[str], target: str | Path, **changes: Any
) -> Predictions:
    sources = source if isinstance(source, list) else str(source)
    return write_predictions(
        chosen_version(model), sources, str(target), PredictSettings(**changes)
    )


def write_texts(path: Path, *texts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({"id": [f"{path.stem}-{i}" for i in range(len(texts))], "text": list(texts)}), path
    )
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def same(models: dict[str, Served], tmp_path: Path) -> Path:
    """A folder of texts whose files have names of parts."""
    for number in (1, 2, 7):
        write_texts(tmp_path / "same" / f"part-{number:05d}.parquet", "lumo", "sela")
    return tmp_path / "same"


@pytest.mark.parametrize("target", ["same", "./same", "same/../same", "link", "same/"])
def test_target_folder_with_the_input_files_is_not_changed_for_any_spelling(
    same: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "link").symlink_to(same)
    monkeypatch.chdir(tmp_path)
    before = contents(same)
    with pytest.raises(ValueError, match="a file that is to be read; nothing was written"):
        predicted("made_sentiment/1", "same/part-*.parquet", target, overwrite=True)
    assert contents(same) == before


def test_input_links_into_the_target_folder_count_as_its_files(same: Path, tmp_path: Path) -> None:
    (tmp_path / "linked.parquet").symlink_to(same / "part-00002.parquet")
    with pytest.raises(ValueError, match=r"part-00002\.parquet, a file that is to be read"):
        predicted("made_sentiment/1", tmp_path / "linked.parquet", same)


FOREIGN = [
    "part-00001.parquet",
    "part-00002.parquet",
    "part-00099.parquet",
    "_refused/part-00001.parquet",
    "part-abc.parquet",
    "notes.txt",
    "part-00001.partial",
    "more/notes.txt",
    "other.parquet",
    "_refused/notes.txt",
    "_refused",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_file_in_the_target_raises_before_any_write(
    models: dict[str, Served], tmp_path: Path, name: str
) -> None:
    source, target = write_texts(tmp_path / "texts.parquet", "lumo"), tmp_path / "out"
    path = target / name
    if name.endswith("parquet"):
        write_texts(path, "mine")
    else:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    before = contents(target)
    with pytest.raises(ValueError, match="which no prediction wrote; nothing was written"):
        predicted("made_sentiment/1", source, target, overwrite=True)
    assert contents(target) == before


def test_hidden_files_and_remains_of_a_killed_run_are_accepted(
    models: dict[str, Served], tmp_path: Path
) -> None:
    source, out = write_texts(tmp_path / "texts.parquet", "lumo", "sela"), tmp_path / "out"
    predicted("made_sentiment/1", source, out, part_rows=1)
    (out / ".listing").write_text("of the system")
    killed = out / "_refrain-part-00002-0123456789abcdef.partial"
    killed.write_bytes(b"half")
    (out / "part-00002.parquet").unlink()
    assert predicted("made_sentiment/1", source, out, part_rows=1).rows == 2
    assert not killed.exists()
    assert (out / ".listing").exists()
    assert len(pd.read_parquet(out)) == 2


def test_superfluous_parts_of_an_earlier_run_are_removed(
    models: dict[str, Served], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    source = write_texts(tmp_path / "texts.parquet", "lumo", "sela", "ta")
    predicted("made_sentiment/1", source, out, part_rows=1)
    write_texts(source, "lumo")
    predicted("made_sentiment/1", source, out, part_rows=1)
    assert [path.name for path in sorted(out.glob("*.parquet"))] == ["part-00001.parquet"]
    assert [path.name for path in (out / "_refused").iterdir()] == ["part-00001.parquet"]


@pytest.mark.parametrize(
    "pattern", ["texts/**/*.parquet", "texts/**", "tex*/out/*.parquet", "texts/*/part-*.parquet"]
)
def test_target_that_the_source_pattern_matches_raises_on_the_first_run(
    models: dict[str, Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path / "texts" / "deep" / "part-9.parquet", "lumo")
    with pytest.raises(ValueError, match="would be read as texts the next time"):
        check_sources(local_folder("texts/out"), [pattern], [])
    assert not (tmp_path / "texts" / "out").exists()


def test_target_inside_the_input_folder_is_accepted_when_the_source_does_not_match_it(
    models: dict[str, Served], tmp_path: Path
) -> None:
    write_texts(tmp_path / "texts" / "a.parquet", "lumo")
    for _ in range(2):
        assert (
            predicted(
                "made_sentiment/1",
                str(tmp_path / "texts" / "*.parquet"),
                tmp_path / "texts" / "out",
            ).rows
            == 1
        )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("s3://bucket/out", "must be a folder on this machine, got 's3://bucket/out'"),
        ("memory://out", "must be a folder on this machine"),
        ("texts.parquet", r"texts\.parquet is a file"),
        ("texts.parquet/out", r"texts\.parquet is a file"),
        ("", "must be a folder on this machine, got ''"),
    ],
)
def test_target_that_is_no_local_folder_raises(
    models: dict[str, Served],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path / "texts.parquet", "lumo")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=expected):
        predicted("made_sentiment/1", "texts.parquet", target)
    assert contents(tmp_path) == before
    assert not (tmp_path / "s3:").exists()


def test_predictions_of_another_model_or_source_are_replaced_only_with_the_option(
    models: dict[str, Served], tmp_path: Path
) -> None:
    first, other, out = (
        write_texts(tmp_path / "a.parquet", "lumo"),
        write_texts(tmp_path / "b.parquet", "ta"),
        tmp_path / "out",
    )
    predicted("made_sentiment/1", first, out)
    before = contents(out)
    with pytest.raises(
        ValueError, match="holds predictions of made_sentiment version 1, not of made_translation"
    ):
        predicted("made_translation/1", first, out)
    with pytest.raises(
        ValueError, match=r"holds predictions of other files, of .*a\.parquet for one"
    ):
        predicted("made_sentiment/1", other, out)
    assert contents(out) == before
    assert predicted("made_translation/1", other, out, overwrite=True).rows == 1
    assert pd.read_parquet(out)["text"].tolist() == ["ta"]


def test_missing_source_creates_no_folder(models: dict[str, Served], tmp_path: Path) -> None:
    with pytest.raises((ValueError, OSError), match="none"):
        predicted("made_sentiment/1", tmp_path / "none.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_file_that_appears_during_the_run_is_kept(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "part-00001.parquet", "mine")
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="no prediction wrote it: it was left alone"):
        write_part(pa.table({"a": [1]}), path, {"refrain.part": "0123456789abcdef"})
    assert contents(tmp_path) == before


def test_parts_are_recognized_by_their_metadata(tmp_path: Path) -> None:
    path = tmp_path / "part-00001.parquet"
    write_part(
        pa.table({"a": [1]}), path, {"refrain.part": "0123456789abcdef", "refrain.model": "m"}
    )
    assert check_target(tmp_path)[path]["refrain.model"] == "m"


def test_empty_input_writes_an_empty_table_and_is_unchanged_on_the_second_run(
    models: dict[str, Served], tmp_path: Path
) -> None:
    source, out = tmp_path / "texts.csv", tmp_path / "out"
    source.write_text("text\n")
    first = predicted("made_sentiment/1", source, out)
    assert (first.rows, first.made, first.is_unchanged) == (0, 1, False)
    found = pd.read_parquet(out)
    assert (len(found), {"text", "label"} <= set(found.columns)) == (0, True)
    assert predicted("made_sentiment/1", source, out).is_unchanged


def test_removed_rows_leave_no_part_and_count_as_a_change(
    models: dict[str, Served], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sources = [str(write_texts(tmp_path / f"{name}.parquet", "lumo")) for name in "ab"]
    predicted("made_sentiment/1", sources, out)
    now = predicted("made_sentiment/1", sources[:1], out)
    assert (now.rows, now.made, now.removed, now.is_unchanged) == (1, 0, 1, False)


SPARK = "part-00007-4f0c7a6e-0d5b-4a52-9d2e-3c6f8f1b2a10-c000.snappy.parquet"


def test_input_files_with_names_of_spark_are_read_and_kept(
    models: dict[str, Served], tmp_path: Path
) -> None:
    folder = tmp_path / "texts"
    write_texts(folder / "stars=5" / SPARK, "lumo", "sela")
    (folder / "_SUCCESS").write_text("")
    before = contents(folder)
    pattern = str(folder / "*" / "*.parquet")
    assert predicted("made_sentiment/1", pattern, tmp_path / "out", keep=("stars",)).rows == 2
    assert contents(folder) == before
    assert pd.read_parquet(tmp_path / "out")["stars"].tolist() == ["5", "5"]
    with pytest.raises(ValueError, match=r"snappy\.parquet, a file that is to be read"):
        predicted("made_sentiment/1", pattern, folder / "stars=5" / "..", overwrite=True)
    assert contents(folder) == before


def test_full_disk_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(table: pa.Table, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_part(
            pa.table({"a": [1]}), tmp_path / "part-00001.parquet", {"refrain.part": "0" * 16}
        )
    assert not list(tmp_path.iterdir())
