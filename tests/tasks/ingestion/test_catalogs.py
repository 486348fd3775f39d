"""Several catalog files of the user at once."""

import os
from pathlib import Path

import pytest
import yaml

from data.catalog.catalog import CATALOG, find_dataset, read_catalog
from data.errors import RowError
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.catalogs import catalog_paths
from tests.data.catalog.test_catalog import made_entry


def catalog(path: Path, *names: str, **changes: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        yaml.safe_dump({name: made_entry() | changes for name in names}), encoding="utf-8"
    )
    return path


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three catalogs: two of the environment, one for the option."""
    paths = [catalog(tmp_path / f"{name}.yaml", name) for name in ("one", "two", "three")]
    monkeypatch.setenv("REFRAIN_CATALOG", os.pathsep.join(map(str, paths[:2])))
    return paths


def test_default_catalog_is_that_of_refrain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REFRAIN_CATALOG", raising=False)
    assert catalog_paths(None) == catalog_paths("") == [CATALOG]


def test_catalogs_of_environment_and_option_extend_the_default(three: list[Path]) -> None:
    assert set(catalog_paths(str(three[2]))) == {CATALOG, *three}
    assert {"one", "two", "three", "imdb"} <= set(read_catalog(*catalog_paths(str(three[2]))))
    assert checked_entry("three", str(three[2])).file == three[2]
    assert checked_entry("one", None).file == three[0]


def test_several_catalogs_are_separated_by_the_path_separator(
    three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REFRAIN_CATALOG")
    names = os.pathsep.join(["", *map(str, three), ""])
    assert {"one", "two", "three"} <= set(read_catalog(*catalog_paths(names)))


def test_catalog_given_twice_is_read_once(
    three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link.yaml").symlink_to(three[0])
    monkeypatch.chdir(tmp_path)
    names = ["one.yaml", f"{tmp_path}/x/../two.yaml", "link.yaml", str(CATALOG), str(three[2])]
    (tmp_path / "x").mkdir()
    assert set(read_catalog(*catalog_paths(os.pathsep.join(names)))) == {
        "one",
        "two",
        "three",
        *read_catalog(),
    }


def test_tilde_in_a_catalog_path_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REFRAIN_CATALOG", "~/mine.yaml")
    catalog(tmp_path / "mine.yaml", "mine")
    assert "mine" in read_catalog(*catalog_paths(None))


def test_duplicate_dataset_raises_with_both_files_for_any_name(
    three: list[Path], tmp_path: Path
) -> None:
    other = catalog(tmp_path / "other.yaml", "two", "other")
    for name in ("two", "imdb"):
        with pytest.raises(
            RowError, match=r"dataset 'two' stands in two catalogs, .*: rename one of them"
        ) as caught:
            find_dataset(name, *catalog_paths(str(other)))
        assert str(three[1]) in str(caught.value)
        assert str(other) in str(caught.value)


def test_duplicate_of_a_default_dataset_raises(tmp_path: Path) -> None:
    mine = catalog(tmp_path / "mine.yaml", "imdb")
    with pytest.raises(
        RowError, match=f"dataset 'imdb' stands in two catalogs, {CATALOG} and {mine}"
    ):
        checked_entry("imdb", str(mine))


def test_missing_catalog_raises_with_the_origin_of_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RowError, match=rf"^there is no catalog file {tmp_path}/none\.yaml$"):
        read_catalog(*catalog_paths(f"{tmp_path}/none.yaml"))
    monkeypatch.setenv("REFRAIN_CATALOG", f"{tmp_path}/none.yaml")
    with pytest.raises(
        RowError,
        match=rf"there is no catalog file {tmp_path}/none\.yaml, "
        "which the variable REFRAIN_CATALOG names",
    ):
        catalog_paths(None)


def test_unknown_dataset_raises_with_all_catalogs(three: list[Path]) -> None:
    with pytest.raises(
        RowError, match=r"there is no dataset 'thre' in .*: did you mean three\?"
    ) as caught:
        checked_entry("thre", str(three[2]))
    assert all(str(path) in str(caught.value) for path in (CATALOG, *three))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"problem": "sentimant"}, r"entry mine, problem: .*'sentimant': did you mean sentiment\?"),
        (
            {"problem": "translation"},
            r"entry mine, columns: translation reads source and target, got text and label",
        ),
    ],
)
def test_mismatched_problem_raises_with_file_and_entry(
    changes: dict[str, str], expected: str, tmp_path: Path
) -> None:
    mine = catalog(tmp_path / "mine.yaml", "mine", **changes)
    with pytest.raises(RowError, match=expected) as caught:
        checked_entry("mine", str(mine))
    assert str(caught.value).startswith(str(mine))
