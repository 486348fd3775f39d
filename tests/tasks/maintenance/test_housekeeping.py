"""Housekeeping by policy: what each rule removes, and what none does."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.housekeeping import page_text, summary
from tasks.maintenance.databases import free_bytes, give_back
from tasks.maintenance.deleted_objects import find_deleted
from tasks.maintenance.housekeeping import HousekeepingSettings, clean
from tasks.maintenance.old_versions import find_versions, needed_versions
from tasks.promotion.champions import roll_back
from tasks.registry import mlflow_client
from tasks.registry.versions import model_id_of, version_info
from tasks.store.home import home
from tests.tasks.promotion.test_champions import promoted, versions
from tests.tasks.trained import run_of

pytestmark = pytest.mark.usefixtures("mlflow_store")
NOW = 1e-9  # days: what was made before this moment


def numbers(found: list[Any]) -> list[str]:
    return [each.number for each in found]


def test_empty_policy_removes_nothing_and_says_so() -> None:
    assert HousekeepingSettings().is_off
    assert clean(HousekeepingSettings(), is_dry=False) == []


def test_champions_earlier_ones_and_new_versions_are_never_removed() -> None:
    promoted(2)
    first, second, unneeded, restored, *newest = versions(6)
    roll_back("made", restored)
    assert needed_versions("made") == {"", first, second, restored}
    assert numbers(find_versions(NOW, 2)) == [unneeded]
    assert find_versions(1, 2) == []
    policy = HousekeepingSettings(version_days=NOW, versions_kept=2)
    clean(policy, is_dry=True)
    assert version_info("made", unneeded) is not None
    (swept,) = clean(policy, is_dry=False)
    assert swept.names == (f"made version {unneeded}",)
    assert version_info("made", unneeded) is None
    assert all(version_info("made", each) for each in (first, second, restored, *newest))
    roll_back("made", first)


def test_deleted_models_and_runs_lose_their_files_unless_a_version_names_them() -> None:
    promoted(1)
    info = version_info("made", "1")
    assert info is not None
    gone = run_of("made")
    for run in (gone, info.run_id):
        mlflow_client.client().delete_run(run)
    other = version_info("made", versions(3)[1])
    assert other is not None
    folder = next((home() / "mlartifacts").rglob(model_id_of(other)))
    clean(HousekeepingSettings(version_days=NOW, versions_kept=1), is_dry=False)
    time.sleep(0.01)
    assert {each.number for each in find_deleted(NOW)} == {gone, model_id_of(other)}
    assert find_deleted(1) == []
    (swept,) = clean(HousekeepingSettings(deleted_days=NOW), is_dry=False)
    assert (swept.num, swept.num_bytes > 0) == (2, True)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert find_deleted(NOW) == []
    assert version_info("made", "1") is not None


def test_logs_of_ended_programs_are_removed_and_open_ones_stay(store: Path) -> None:
    folder = store / "logs"
    folder.mkdir()
    for name in ("worker.log", "worker.1.log", "failed-made-1.log", "worker.2.log"):
        (folder / name).write_text("x" * 1000)
        os.utime(folder / name, (0, 0))
    os.utime(folder / "worker.2.log")
    (swept,) = clean(HousekeepingSettings(log_days=3), is_dry=False)
    assert (swept.num, swept.num_bytes) == (2, 2000)
    assert sorted(path.name for path in folder.iterdir()) == ["worker.2.log", "worker.log"]


def test_free_pages_are_given_back_and_a_busy_database_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE rows (text)")
        connection.executemany("INSERT INTO rows VALUES (?)", [("x" * 1000,)] * 1000)
        connection.execute("DELETE FROM rows")
    connection.close()
    size = path.stat().st_size
    assert free_bytes(path) > 900_000
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("tasks.maintenance.databases.SECONDS_TO_WAIT", 0.1)
    assert "left for the next time" in give_back(path)
    writer.execute("COMMIT")
    writer.close()
    assert give_back(path) == ""
    assert path.stat().st_size < size / 10


def test_page_lists_rules_numbers_and_megabytes(store: Path) -> None:
    (store / "logs").mkdir()
    (store / "logs" / "failed-made_1.log").write_text("x" * 2_000_000)
    os.utime(store / "logs" / "failed-made_1.log", (0, 0))
    found = clean(HousekeepingSettings(log_days=1), is_dry=True)
    message = summary(found, is_dry=True)
    assert message == "would remove 1 logs: 2.0 MB"
    text = page_text(found, message)
    assert "| logs | 1 | 2.0 |" in text
    assert "- failed-made\\_1.log" in text
    assert (store / "logs" / "failed-made_1.log").exists()
