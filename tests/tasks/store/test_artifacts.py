"""Nouns: their digests, folders and manifests."""

from pathlib import Path

import pytest

from tasks.store.artifacts import Snapshot
from tasks.store.code import digest

KEY = "0123456789abcdef"
WHAT = {"rows": {"train": 1}, "splits": {"train": "a"}, "reasons": {}}


def made(store: Path) -> Snapshot:
    with Snapshot.making("d", KEY):
        return Snapshot(dataset="d", digest=KEY, **WHAT).commit()


def test_a_committed_noun_is_found_equal_to_itself(store: Path) -> None:
    artifact = made(store)
    assert Snapshot.find("d", KEY) == artifact


def test_a_folder_without_a_manifest_does_not_exist(store: Path) -> None:
    artifact = made(store)
    (artifact.folder / "manifest.json").unlink()
    assert Snapshot.find("d", KEY) is None


def test_a_failure_leaves_nothing_behind(store: Path) -> None:
    with pytest.raises(OSError, match="disk"), Snapshot.making("d", KEY) as folder:
        (folder / "train.parquet").write_text("half")
        raise OSError("disk")
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_before_a_new_start(store: Path) -> None:
    folder = Snapshot.folder_of("d", KEY)
    folder.mkdir(parents=True)
    (folder / "old").write_text("half")
    with Snapshot.making("d", KEY) as again:
        assert list(again.iterdir()) == []


def test_a_partial_folder_can_be_kept_to_go_on_from(store: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Snapshot.making("d", KEY, keep_partial=True) as folder:
        (folder / "resume").write_text("half")
        raise KeyboardInterrupt
    with Snapshot.making("d", KEY, keep_partial=True) as again:
        assert (again / "resume").read_text() == "half"


def test_the_manifest_is_written_after_all_other_files(store: Path) -> None:
    artifact = made(store)
    assert [path.name for path in artifact.folder.iterdir()] == ["manifest.json"]
    assert not list(artifact.folder.glob("*.partial"))


def test_equal_values_have_equal_digests_whatever_their_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1, "b": None}, {}])
def test_other_values_have_other_digests(other: dict[str, object]) -> None:
    assert digest({"a": 1}) != digest(other)
