"""The task: the digest of a token set, its rows, and its word vectors."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RowError
from data.rows.splits import SPLITS
from data.rows.streams import Stream
from data.text.encoder import Encoder, Tokenizer, TokenSettings, default_settings
from tasks.store.artifacts import Snapshot, TokenSet
from tasks.store.token_sets import identified, identity, sizes_of, streams_of, write_token_set

SIDES = ("source", "target")
PAIRS = pa.table(
    {
        "source": [f"lumo sela n{n}" for n in range(40)],
        "target": [f"grak n{n} dosh" for n in range(40)],
    }
)


@pytest.fixture
def snapshot(store: Path) -> Snapshot:
    found = Snapshot(
        dataset="made",
        digest="0",
        rows=dict.fromkeys(SPLITS, 40),
        splits=dict.fromkeys(SPLITS, "0"),
        reasons={},
    )
    found.folder.mkdir(parents=True)
    for split in SPLITS:
        pq.write_table(PAIRS, found.folder / f"{split}.parquet", row_group_size=16)
    return found


def test_tokenizer_identity_is_its_kind_for_a_built_in() -> None:
    assert identity("bpe") == "bpe"


def test_tokenizer_identity_depends_on_content_not_path_of_a_file(tmp_path: Path) -> None:
    Tokenizer.train("words", [PAIRS["source"]], TokenSettings()).inner.save(
        str(tmp_path / "one.json")
    )
    shutil.copy(tmp_path / "one.json", tmp_path / "other.json")
    named = identity(str(tmp_path / "one.json"))
    assert named == identity(str(tmp_path / "other.json"))
    (tmp_path / "other.json").write_text((tmp_path / "other.json").read_text() + " ")
    assert named != identity(str(tmp_path / "other.json"))


def test_a_missing_file_raises(tmp_path: Path) -> None:
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
def test_limit_of_zero_or_more_than_the_rows_takes_everything(
    snapshot: Snapshot, limit: int
) -> None:
    assert pa.concat_tables(streams_of(snapshot, limit, SIDES)["train"]) == PAIRS


@pytest.mark.parametrize("is_joint", [True, False])
def test_a_token_set_is_read_as_examples(snapshot: Snapshot, is_joint: bool) -> None:
    settings = TokenSettings(joint=is_joint, max_length=60)
    tokens = TokenSet(
        dataset="made",
        digest="1",
        problem="translation",
        tokenizer="bpe",
        snapshot="0",
        rows={},
        sizes={},
        limit=0,
        test_split="0",
        settings={},
    )
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


def test_token_set_contains_the_users_tokenizer_file(snapshot: Snapshot, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    Tokenizer.train("bpe", [PAIRS["source"], PAIRS["target"]], TokenSettings()).inner.save(str(own))
    folder = tmp_path / "tokens"
    folder.mkdir()
    encoder, _ = write_token_set(
        folder, streams_of(snapshot, 0, SIDES), str(own), default_settings(str(own))
    )
    assert encoder.target is encoder.source
    assert {path.name for path in folder.glob("*.json")} == {"source.json", "encoder.json"}


VECTORS = "vek 5 6\nlumo 1 2\ngrak 3 4\nWirrel 7 8\ntebo 9 10\n"
TRAIN = pa.table(
    {"text": ["lumo sela", "Grak lumo", "sela nuri"] * 4, "label": ["a", "b", "a"] * 4}
)
OTHERS = pa.table({"text": ["vek lumo", "TEBO dosh"], "label": ["a", "b"]})


def written(path: Path, text: str = VECTORS) -> str:
    path.write_text(text)
    return str(path)


def made_with_vectors(path: Path, **changes: object) -> TokenSet:
    """A token set of a few rows and word vectors; only validation and test have some words."""
    made = TokenSet(
        dataset="made",
        digest="2",
        problem="sentiment",
        tokenizer="words",
        snapshot="0",
        rows={},
        sizes={},
        limit=0,
        test_split="0",
        settings={},
    )
    made.folder.mkdir(parents=True)
    streams = {
        split: Stream(lambda table=table: iter([table]))
        for split, table in zip(SPLITS, (TRAIN, OTHERS, OTHERS), strict=True)
    }
    settings = TokenSettings(min_frequency=1, vectors=written(path), **changes)  # type: ignore[arg-type]
    encoder, _ = write_token_set(made.folder, streams, "words", settings)
    return replace(made, sizes=sizes_of(encoder))


def test_every_id_has_the_vector_of_its_word(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.store.token_sets"):
        tokens = made_with_vectors(tmp_path / "v.txt", lowercase=False)
    found = tokens.word_vectors()
    assert found is not None
    names = Encoder.load(tokens.folder).source.names
    with_vector = {names[i]: found[0][i].tolist() for i in np.flatnonzero(found[1])}
    in_file = {"lumo": [1, 2], "grak": [3, 4], "vek": [5, 6], "tebo": [9, 10]}
    forms = {
        form: vector
        for word, vector in in_file.items()
        for form in (word, word.capitalize(), word.upper())
    }
    assert with_vector == forms | {"Wirrel": [7, 8]}
    message = "2 of 4 words (50.0%): 1 as they are, 1 in small letters, and for 11 words outside"
    assert message in caplog.text


def test_words_only_in_the_vectors_are_known_in_lower_case_in_validation_and_test(
    store: Path, tmp_path: Path
) -> None:
    tokens = made_with_vectors(tmp_path / "v.txt", lowercase=True)
    names = Encoder.load(tokens.folder).source.names
    for split in ("validation", "test"):
        rows = [[names[i] for i in tokens.examples(split).source.row(row)] for row in range(2)]
        assert rows == [["vek", "lumo"], ["tebo", "<unk>"]]
    assert "Wirrel" not in names  # no lowercased text contains it


def test_words_of_the_vectors_get_the_last_ids_which_are_not_trained(
    store: Path, tmp_path: Path
) -> None:
    tokens = made_with_vectors(tmp_path / "v.txt", lowercase=True)
    assert Encoder.load(tokens.folder).source.names[-2:] == ["vek", "tebo"]
    sizes = tokens.model_sizes()
    assert (sizes.source, sizes.fixed) == (4 + 4 + 2, 2)


@pytest.mark.parametrize(
    ("limit", "more"), [(0, []), (1, ["vek"]), (2, ["vek", "tebo"]), (9, ["vek", "tebo"])]
)
def test_a_limit_on_the_words_of_the_vectors_takes_the_first(
    store: Path, tmp_path: Path, limit: int, more: list[str]
) -> None:
    tokens = made_with_vectors(tmp_path / "v.txt", lowercase=True, vectors_limit=limit)
    assert Encoder.load(tokens.folder).source.names[8:] == more


def test_target_vocabulary_gets_no_words_from_the_vectors(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    settings = TokenSettings(min_frequency=1, vectors=written(tmp_path / "v.txt"))
    for is_joint, num_fixed in (
        (True, 0),
        (False, 12),
    ):  # three forms of four words and one of a name, less one that is learnt
        encoder, _ = write_token_set(
            tmp_path,
            streams_of(snapshot, 0, ("source", "target")),
            "words",
            replace(settings, joint=is_joint),
        )
        assert isinstance(encoder.target, Tokenizer)
        assert (encoder.source.num_fixed, encoder.target.num_fixed) == (num_fixed, 0)


def test_without_a_file_there_are_no_word_vectors(snapshot: Snapshot, tmp_path: Path) -> None:
    encoder, _ = write_token_set(
        tmp_path, streams_of(snapshot, 0, ("source", "target")), "words", TokenSettings()
    )
    assert sizes_of(encoder)["fixed"] == 0
    assert not list(tmp_path.glob("vectors*"))


def test_word_vectors_identity_depends_on_content_not_path(tmp_path: Path) -> None:
    one = written(tmp_path / "one.txt")
    other = written(tmp_path / "other.txt")
    assert identified(TokenSettings(vectors=one)) == identified(TokenSettings(vectors=other))
    changed = written(tmp_path / "other.txt", "lumo 1 3\n")
    assert identified(TokenSettings(vectors=one)) != identified(TokenSettings(vectors=changed))
    assert identified(TokenSettings(vectors=one)) != identified(TokenSettings())


def test_a_missing_file_of_word_vectors_raises(tmp_path: Path) -> None:
    with pytest.raises(RowError, match=r"word vectors cannot be read from .*none\.txt"):
        identified(TokenSettings(vectors=str(tmp_path / "none.txt")))
