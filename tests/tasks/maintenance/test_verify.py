"""`refrain verify`: damage is listed, and moved aside on request."""

from pathlib import Path

import pytest

from tasks.ingestion.removals import own_lines, own_list
from tasks.maintenance.prune import find_prunable
from tasks.maintenance.verify import READERS, find_damages, set_damages_aside
from tasks.promotion.ledger import FOUND, Ledger
from tasks.registry.version_files import stored_files
from tasks.registry.versions import check_complete, make_version, model_id_of
from tasks.store.artifacts import Snapshot
from tasks.store.growing_files import CONTENTS, append_line, write_grown
from tests.tasks.trained import logged, run_of

WEIGHTS = "artifacts/model/weights.bin"


def ledger(num: int) -> None:
    for _ in range(num):
        made = Ledger.of("made")
        line = made.next_line(FOUND, "1", "1", "by hand", scores={})
        made.begin(line)
        made.finish(line)


@pytest.fixture
def full(mlflow_store: Path) -> Path:
    """A store with an artifact, a removal list, a ledger and a registered version."""
    with Snapshot.making("made", "key") as folder:
        (folder / "train.parquet").write_text("rows")
        Snapshot(dataset="made", digest="key", rows={}, splits={}, reasons={}).commit()
    write_grown(own_list("made"), "key:1\nkey:2\n")
    ledger(3)
    model = logged("made")
    make_version("made", "k", model, run_of("made"), tags={}, files=stored_files(model))
    return mlflow_store


def test_intact_store_has_no_damage(full: Path) -> None:
    assert find_damages() == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("snapshots/made-key/train.parquet", "has 1 bytes, expected 4"),
        ("removals/made.txt", "has 1 bytes, expected 12"),
        ("ledger/made/000002.json", "is no JSON"),
        (f"mlartifacts/*/models/*/artifacts/{WEIGHTS}", "has 1 bytes, expected 10"),
    ],
)
def test_damage_of_each_kind_is_found_and_named(full: Path, name: str, fault: str) -> None:
    (path,) = full.glob(name)
    path.write_bytes(b"x")
    (damage,) = find_damages()
    assert f"{path} {fault}" in damage.fault


def test_damages_moved_aside_stop_nothing(full: Path) -> None:
    for name in (
        "snapshots/made-key/train.parquet",
        "removals/made.txt",
        "ledger/made/000002.json",
    ):
        (full / name).write_bytes(b"x")
    (full / "ledger" / "made" / "000003.json").unlink()
    assert len(set_damages_aside(find_damages())) == 4
    assert find_damages() == []
    assert own_lines(own_list("made")) == []
    assert [line.number for line in Ledger.of("made").lines] == [1]
    ledger(1)
    assert [line.number for line in Ledger.of("made").lines] == [1, 4]
    assert len(list((full / "damaged").iterdir())) == 3


def test_damaged_version_is_not_moved(full: Path) -> None:
    model = model_id_of(check_complete("made", "1"))
    (path,) = full.glob(f"mlartifacts/*/models/{model}/artifacts/{WEIGHTS}")
    path.unlink()
    damages = find_damages()
    assert set_damages_aside(damages) == []
    assert [damage.fault for damage in damages] == [
        f"made version 1 is damaged: {path} cannot be read: No such file or directory"
    ]


def test_damaged_manifest_stops_prune_with_the_remedy(full: Path) -> None:
    path = full / "snapshots" / "made-key" / "manifest.json"
    path.write_bytes(b"")
    with pytest.raises(OSError, match=rf"{path} is empty: refrain verify --set-aside"):
        find_prunable(days=0)
    assert set_damages_aside(find_damages()) == [path.parent]
    find_prunable(days=0)


def test_every_kind_of_growing_file_is_verified(full: Path) -> None:
    assert set(READERS) == set(CONTENTS)
    append_line(full / "slots" / "made.jsonl", {"at": "now"})
    assert find_damages() == []
    (full / "slots" / "made.jsonl").write_text("")
    assert [damage.path.name for damage in find_damages()] == ["made.jsonl"]
