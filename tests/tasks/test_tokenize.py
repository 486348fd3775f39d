"""What the task adds: what names a token set, and which rows it is made of."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RowError
from data.splits import SPLITS
from data.tokenizer import Tokenizer, TokenSettings, default_settings
from tasks.artifacts import Snapshot, TokenSet
from tasks.tokenize import identity, sizes_of, streams_of, write_token_set

SIDES = ("source", "target")
PAIRS = pa.table({"source": [f"lumo sela n{n}" for n in range(40)], "target": [f"grak n{n} dosh" for n in range(40)]})


@pytest.fixture
def snapshot(store: Path) -> Snapshot:
    found = Snapshot(dataset="made", digest="0", rows=dict.fromkeys(SPLITS, 40), splits=dict.fromkeys(SPLITS, "0"), reasons={})
    found.folder.mkdir(parents=True)
    for split in SPLITS:
        pq.write_table(PAIRS, found.folder / f"{split}.parquet", row_group_size=16)
    return found


def test_a_kind_names_itself() -> None:
    assert identity("bpe") == "bpe"


def test_a_file_is_named_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    Tokenizer.train("words", [PAIRS["source"]], TokenSettings()).inner.save(str(tmp_path / "one.json"))
    shutil.copy(tmp_path / "one.json", tmp_path / "other.json")
    named = identity(str(tmp_path / "one.json"))
    assert named == identity(str(tmp_path / "other.json"))
    (tmp_path / "other.json").write_text((tmp_path / "other.json").read_text() + " ")
    assert named != identity(str(tmp_path / "other.json"))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="there is no tokenizer file"):
        identity(str(tmp_path / "one.json"))


def test_a_limit_holds_for_the_training_split_only(snapshot: Snapshot) -> None:
    streams = streams_of(snapshot, 7, SIDES)
    assert {split: sum(table.num_rows for table in streams[split]) for split in SPLITS} == {
        "train": 7,
        "validation": 40,
        "test": 40,
    }


@pytest.mark.parametrize("limit", [0, 40, 100])
def test_a_limit_that_is_none_takes_everything(snapshot: Snapshot, limit: int) -> None:
    assert pa.concat_tables(streams_of(snapshot, limit, SIDES)["train"]) == PAIRS


@pytest.mark.parametrize("is_joint", [True, False])
def test_a_token_set_is_read_as_examples(snapshot: Snapshot, is_joint: bool) -> None:
    settings = TokenSettings(joint=is_joint, max_length=60)
    tokens = TokenSet(
        dataset="made", digest="1", problem="translation", tokenizer="bpe", snapshot="0", rows={}, sizes={}, limit=0,
        test_split="0", settings={},
    )  # fmt: skip
    tokens.folder.mkdir(parents=True)
    encoder, rows = write_token_set(tokens.folder, streams_of(snapshot, 0, SIDES), "bpe", settings)
    assert rows == dict.fromkeys(SPLITS, 40)
    examples = tokens.examples("test")
    assert isinstance(encoder.target, Tokenizer)
    assert encoder.source.decode(examples.source.row(3)) == "lumo sela n3"
    assert encoder.target.decode(examples.target.row(3)) == "grak n3 dosh"
    sizes = sizes_of(encoder)
    assert sizes["is_shared"] == is_joint
    assert examples.source.ids.max() < sizes["source"]


def test_a_user_s_file_goes_into_the_token_set(snapshot: Snapshot, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    Tokenizer.train("bpe", [PAIRS["source"], PAIRS["target"]], TokenSettings()).inner.save(str(own))
    folder = tmp_path / "tokens"
    folder.mkdir()
    encoder, _ = write_token_set(folder, streams_of(snapshot, 0, SIDES), str(own), default_settings(str(own)))
    assert encoder.target is encoder.source
    assert {path.name for path in folder.glob("*.json")} == {"source.json", "encoder.json"}
