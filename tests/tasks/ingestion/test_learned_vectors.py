"""Which datasets vectors are learned from, and when they are learned again."""

from pathlib import Path

import pytest
import yaml

from data.errors import RowError
from tasks.ingest import ingest
from tasks.ingestion.learned_vectors import LearnedVectors, sources_of
from tasks.settings import parse_settings
from tasks.store.artifacts import TokenSet
from tasks.store.lookup import WorkToDoError, only_finding
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tests.conftest import ENTRY, write_reviews


@pytest.mark.parametrize(
    ("vectors", "names"),
    [
        ("", ()),
        ("/srv/glove.txt", ()),
        ("self", ("self",)),
        ("dataset:other", ("other",)),
        ("self, dataset:other", ("self", "other")),
    ],
)
def test_sources_are_read_from_the_setting(vectors: str, names: tuple[str, ...]) -> None:
    assert sources_of(vectors) == names


def test_a_file_beside_a_dataset_raises() -> None:
    with pytest.raises(RowError, match=r"found '/srv/glove\.txt'"):
        sources_of("self, /srv/glove.txt")


@pytest.fixture
def catalog(tmp_path: Path) -> str:
    """A catalog of two datasets, ``other`` with more rows."""
    path = tmp_path / "catalog.yaml"
    source = {"kind": "files", "paths": {"all": "more.csv"}}
    path.write_text(yaml.safe_dump({"made": ENTRY, "other": ENTRY | {"source": source}}))
    write_reviews(tmp_path / "rows.csv")
    write_reviews(tmp_path / "more.csv", 600, seed=1)
    return str(path)


def tokens_of(vectors: str, catalog: str) -> TokenSet:
    settings = parse_settings([f"tokens.vectors={vectors}", "tokens.vectors_size=6"]).tokens
    return directly(tokenize, directly(ingest, "made", catalog), settings, catalog)


def test_vectors_are_learned_once_and_of_training_rows_only(store: Path, catalog: str) -> None:
    tokens = tokens_of("self, dataset:other", catalog)
    (folder,) = (store / "vectors").iterdir()
    learned = LearnedVectors.find("made", folder.name.rpartition("-")[2])
    assert learned
    assert list(learned.sources) == ["made", "other"]
    # Each text begins with a word of its own: none of them stands five times.
    words = {line.split()[0] for line in learned.path.read_text().splitlines()}
    assert not {word for word in words if word.startswith("n") and word[1:].isdigit()}
    found = tokens.word_vectors()
    assert found
    assert found[0].shape == (tokens.sizes["source"], 6)
    assert found[1].any()
    with only_finding():
        assert tokens_of("self, dataset:other", catalog).digest == tokens.digest


def test_new_rows_of_the_other_dataset_make_new_vectors(
    store: Path, catalog: str, tmp_path: Path
) -> None:
    before = tokens_of("self, dataset:other", catalog)
    write_reviews(tmp_path / "more.csv", 800, seed=1)
    assert tokens_of("self, dataset:other", catalog).digest == before.digest  # not ingested yet
    directly(ingest, "other", catalog, None, True)
    with only_finding(), pytest.raises(WorkToDoError):
        tokens_of("self, dataset:other", catalog)
    assert tokens_of("self, dataset:other", catalog).digest != before.digest


def test_an_unknown_dataset_is_named(store: Path, catalog: str) -> None:
    with pytest.raises(RowError, match="othr"):
        tokens_of("dataset:othr", catalog)
