"""What prune removes from the store, and what it keeps."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch

import pytest

from data.errors import RowError
from tasks.ingestion.partitions import PartitionRows, piece_key
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.maintenance.prune import KINDS, MADE_OF, find_prunable, prune
from tasks.registry import mlflow_client, version_lists
from tasks.store.artifacts import Artifact, Checkpoint, Scores, Snapshot, TokenSet
from tasks.store.home import home
from tests.tasks.growing import ingest, of_files, partitions_read, texts, write
from tests.tasks.trained import decided, registered, trained

pytestmark = pytest.mark.usefixtures("mlflow_store")


def grown(folder: Path, *sizes: int) -> list[Snapshot]:
    """Snapshots of one file that is rewritten several times."""
    made = []
    for size in sizes:
        write(folder / "rows.csv", texts(size))
        made.append(ingest(of_files(folder, all="rows.csv")))
    return made


def named(artifacts: Iterable[Artifact]) -> set[str]:
    return {f"{artifact.KIND}/{artifact.folder.name}" for artifact in artifacts}


def listed(*datasets: str, days: float = 0, only_aliased: bool = False) -> set[str]:
    found = find_prunable(datasets, days=days, only_aliased=only_aliased)
    return {str(item.path.relative_to(home())) for item in found}


def line_of(scores: Scores) -> list[Artifact]:
    """Scores and all their inputs."""
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    assert checkpoint is not None
    tokens = TokenSet.find(scores.dataset, checkpoint.tokens)
    assert tokens is not None
    return [scores, checkpoint, tokens, tokens.snapshot_of()]


def dangling() -> list[str]:
    """Artifacts of the store whose inputs are missing."""
    found = []
    for kind in KINDS:
        for path in (home() / kind.KIND).glob("*/manifest.json"):
            report = json.loads(path.read_text())
            found += [
                f"{path.parent.name}: {key}"
                for key, of in MADE_OF.get(kind, {}).items()
                if report[key] and of.find(report["dataset"], report[key]) is None
            ]
    return found


def aged(path: Path, days: float) -> None:
    """Set the times of a folder's files to some days ago."""
    at = time.time() - days * 24 * 3600
    for each in [*path.rglob("*"), path]:
        os.utime(each, (at, at))


def test_prune_lists_nothing_in_an_empty_store() -> None:
    assert listed() == set()


def test_prune_keeps_the_newest_snapshot_only(tmp_path: Path) -> None:
    first, second, third = grown(tmp_path, 20, 30, 40)
    assert listed() == named([first, second])
    prune(find_prunable(days=0))
    assert [Snapshot.find("made", each.digest) for each in (first, second, third)] == [
        None,
        None,
        third,
    ]
    assert make_snapshot(of_files(tmp_path, all="rows.csv")) == (third, False)


def test_prune_keeps_all_inputs_of_a_registered_version(tmp_path: Path) -> None:
    first, second, _ = grown(tmp_path, 20, 30, 40)
    kept = trained(first)
    lost = trained(second)
    registered(kept)
    assert listed() == named([*line_of(lost)])
    prune(find_prunable(days=0))
    assert all(
        type(artifact).find("made", artifact.digest) == artifact for artifact in line_of(kept)
    )
    assert dangling() == []


def test_prune_removes_artifacts_of_the_newest_snapshot_without_a_version(
    tmp_path: Path,
) -> None:
    _, newest = grown(tmp_path, 20, 30)
    scores, checkpoint, tokens, snapshot = line_of(trained(newest))
    assert listed() >= named([scores, checkpoint, tokens])
    assert named([snapshot]) & listed() == set()


def test_prune_keeps_a_shared_token_set_of_a_registered_training(
    tmp_path: Path,
) -> None:
    first, _ = grown(tmp_path, 20, 30)
    kept = trained(first)
    lost = trained(first, settings="other")
    registered(kept)
    assert listed() == named([lost, line_of(lost)[1]])


@pytest.mark.parametrize("alias", ["champion", "previous", "challenger", "of_a_user"])
def test_prune_with_aliased_only_keeps_inputs_of_aliased_versions_only(
    alias: str, tmp_path: Path
) -> None:
    first, second, _ = grown(tmp_path, 20, 30, 40)
    plain = trained(first)
    aliased = trained(second)
    registered(plain)
    registered(aliased, alias)
    assert listed() == set()
    assert listed(only_aliased=True) == named(line_of(plain))


def test_prune_keeps_nothing_for_a_version_deleted_in_mlflow(tmp_path: Path) -> None:
    first, _ = grown(tmp_path, 20, 30)
    scores = trained(first)
    version = registered(scores)
    registered(trained(first, settings="other"))
    mlflow_client.client().delete_model_version("made", version)
    assert listed() == named(line_of(scores)[:2])


def test_prune_sees_versions_beyond_the_first_page_of_mlflow(tmp_path: Path) -> None:
    (snapshot,) = grown(tmp_path, 20)
    folder = snapshot.folder
    for number in range(120):  # MLflow gives 100 at once
        other = Snapshot(
            dataset=f"made{number:03}", digest="0", rows={}, splits=snapshot.splits, reasons={}
        )
        shutil.copytree(folder, other.folder)
        registered(trained(other.commit()))
    assert listed() == set()
    assert len(version_lists.registered_scores()) == 120


def test_prune_keeps_the_partitions_of_the_newest_snapshot(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.csv", texts(10, start=10 * ord(name)))
    dataset = of_files(tmp_path, all="*.csv")
    old = ingest(dataset)
    write(tmp_path / "b.csv", texts(12, start=5_000))
    (tmp_path / "c.csv").unlink()
    newest = ingest(dataset)
    last = SnapshotLog.of("made").last
    assert last is not None
    kept = {f"pieces/made-{piece_key(piece, last.rows_key)}" for piece in last.known_pieces()}
    assert len(kept) == 2
    there = {f"pieces/{path.name}" for path in (home() / PartitionRows.KIND).iterdir()}
    assert len(there) == 4
    assert listed() == there - kept | named([old])
    prune(find_prunable(days=0))
    write(tmp_path / "d.csv", texts(10, start=9_000))
    with partitions_read() as opened:
        assert ingest(dataset).rows["train"] > newest.rows["train"]
    assert opened == ["d.csv"]


@pytest.mark.parametrize(("days", "is_listed"), [(3, True), (5, False)])
def test_prune_keeps_recently_written_folders(days: float, is_listed: bool, tmp_path: Path) -> None:
    first, _ = grown(tmp_path, 20, 30)
    aged(first.folder, 4)
    assert (named([first]) & listed(days=days) != set()) == is_listed


def test_prune_keeps_a_folder_with_one_recently_written_file(tmp_path: Path) -> None:
    first, _ = grown(tmp_path, 20, 30)
    aged(first.folder, 30)
    os.utime(first.folder / "train.parquet")
    assert listed(days=7) == set()


def test_prune_keeps_the_inputs_of_a_recent_folder(tmp_path: Path) -> None:
    first, _ = grown(tmp_path, 20, 30)
    scores = trained(first)
    for artifact in line_of(scores)[1:]:
        aged(artifact.folder, 30)
    assert listed(days=7) == set()
    prune(find_prunable(days=7))
    assert dangling() == []


def test_prune_keeps_folders_of_the_last_week_by_default(tmp_path: Path) -> None:
    first, second, _ = grown(tmp_path, 20, 30, 40)
    aged(first.folder, 6.9)
    aged(second.folder, 7.1)
    assert [item.path for item in find_prunable()] == [second.folder]


def test_prune_removes_unfinished_folders_with_that_reason(tmp_path: Path) -> None:
    grown(tmp_path, 20)
    unfinished = [
        Snapshot.folder_of("made", "partial-0123abcd"),
        Checkpoint.folder_of("made", "0" * 16),
    ]
    for folder in unfinished:
        folder.mkdir(parents=True)
        (folder / "resume.safetensors").write_bytes(b"0" * 1_000)
    found = find_prunable(days=0)
    assert {item.path for item in found} == set(unfinished)
    assert {(item.why, item.num_bytes) for item in found} == {("never finished", 1_000)}
    assert find_prunable(days=1) == []


def test_prune_considers_the_given_datasets_only(tmp_path: Path) -> None:
    first, _ = grown(tmp_path, 20, 30)
    other = Snapshot(dataset="other-one", digest="0" * 16, rows={}, splits=first.splits, reasons={})
    unfinished = Snapshot.folder_of("other-one", "partial-0123abcd")
    for folder in (other.folder, unfinished):
        folder.mkdir(parents=True)
    other.commit()
    theirs = {*named([other]), f"snapshots/{unfinished.name}"}
    assert listed("made") == named([first])
    assert listed("other-one") == theirs
    assert listed("made", "other-one") == listed() == named([first]) | theirs


def test_prune_raises_for_an_unknown_dataset_with_the_nearest_name(tmp_path: Path) -> None:
    grown(tmp_path, 20)
    with pytest.raises(RowError, match=r"nothing of a dataset 'mede' in .*: did you mean made?"):
        find_prunable(["made", "mede"])


def test_prune_lists_reason_and_size_of_each_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv", texts(10, start=10 * ord(name)))
    first = ingest(of_files(tmp_path, all="*.csv"))
    scores = trained(first)
    write(tmp_path / "b.csv", texts(10, start=999))
    ingest(of_files(tmp_path, all="*.csv"))
    found = find_prunable(days=0)
    assert [(item.path.parent.name, item.why) for item in found] == [
        ("scores", "not used by any registered version"),
        ("checkpoints", "not used by any registered version"),
        ("tokens", "not used by any registered version"),
        ("snapshots", "an older snapshot that no registered version was trained on"),
        ("pieces", "rows of a file or table that has changed since"),
    ]
    assert all(
        item.num_bytes == sum(p.stat().st_size for p in item.path.iterdir()) for item in found
    )
    assert found[0].path == scores.folder
    assert prune(found) == sum(item.num_bytes for item in found)
    assert not any(item.path.exists() for item in found)


def test_prune_killed_at_any_step_leaves_no_dangling_reference(tmp_path: Path) -> None:
    first, second, _ = grown(tmp_path, 20, 30, 40)
    for snapshot in (first, second):
        for settings in ("", "other"):
            trained(snapshot, settings)
    registered(trained(second))
    removed = shutil.rmtree
    number = len(listed())
    for _ in range(number):
        calls: list[Path] = []

        def crashing(path: Path, calls: list[Path] = calls) -> None:
            if calls:
                raise KeyboardInterrupt
            calls.append(path)
            removed(path)

        with patch.object(shutil, "rmtree", crashing):
            try:
                prune(find_prunable(days=0))
            except KeyboardInterrupt:
                assert dangling() == []
    assert listed() == set()
    assert dangling() == []


def test_prune_removes_a_partly_removed_folder_the_next_time(
    tmp_path: Path,
) -> None:
    first, _ = grown(tmp_path, 20, 30)
    with (
        patch.object(shutil, "rmtree", side_effect=OSError("busy")),
        pytest.raises(OSError, match="busy"),
    ):
        prune(find_prunable(days=0))
    assert Snapshot.find("made", first.digest) is None
    assert [(item.path, item.why) for item in find_prunable(days=0)] == [
        (first.folder, "never finished")
    ]


def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(mlflow_client, "CHOSEN_URI", "http://joe:hunter2@127.0.0.1:9")


def damaged(_: pytest.MonkeyPatch) -> None:
    (home() / "mlflow.db").write_text("no database")


@pytest.mark.parametrize("lose", [unreachable, damaged])
def test_prune_raises_when_mlflow_does_not_answer(
    lose: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(grown(tmp_path, 20)[0])
    lose(monkeypatch)
    with pytest.raises(
        OSError, match=r"MLflow did not respond .*: check MLFLOW_TRACKING_URI"
    ) as error:
        find_prunable(days=0)
    assert "hunter2" not in str(error.value)


def test_prune_raises_when_mlflow_lacks_a_model_that_was_promoted(
    tmp_path: Path, empty_mlflow: Path
) -> None:
    scores = trained(grown(tmp_path, 20)[0])
    decided(scores, registered(scores))
    assert listed() == set()
    shutil.copy(empty_mlflow, home() / "mlflow.db")
    mlflow_client.client.__globals__["_client_at"].cache_clear()
    with pytest.raises(
        RowError, match="MLflow has no model made, but the store has a promotion of it"
    ):
        find_prunable(days=0)
    for path in (home() / "promotions").glob("made-*"):
        shutil.rmtree(path)
    assert listed() == named(line_of(scores)[:3])


def test_prune_ignores_a_file_that_a_flow_run_moves_meanwhile(tmp_path: Path) -> None:
    first, _ = grown(tmp_path, 20, 30)
    (first.folder / "gone").symlink_to(tmp_path / "nowhere")
    assert listed() == named([first])
