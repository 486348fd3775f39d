"""One version per key: found again, completed after a kill, removed if files are missing."""

import json
import os
import threading
from pathlib import Path

import pytest

from tasks.registry import mlflow_client, versions
from tasks.registry.version_files import stored_files
from tasks.registry.versions import find_version, make_version
from tasks.store.checksums import FileSum, bytes_sum
from tasks.store.locks import locked
from tests.tasks.trained import logged, run_of, versioned

pytestmark = pytest.mark.usefixtures("mlflow_store")
WEIGHTS = {"artifacts/model/weights.bin": bytes_sum(b"0123456789")}

OTHER = bytes_sum(b"other")


def numbers(name: str = "made") -> list[str]:
    return sorted(str(info.version) for info in versions.versions_of(name))


def made_version(tags: dict[str, str], files: dict[str, FileSum], key: str = "k") -> str:
    return make_version("made", key, logged("made"), run_of("made"), tags=tags, files=files)


def test_version_is_found_by_its_key_with_its_tags() -> None:
    assert find_version("made", "k") is None
    number = made_version({"refrain.snapshot": "s"}, WEIGHTS)
    assert (number, find_version("made", "k"), find_version("made", "other")) == ("1", "1", None)
    info = versions.check_complete("made", number)
    assert (info.status, info.tags["refrain.snapshot"], info.tags[versions.KEY]) == (
        "READY",
        "s",
        "k",
    )


def test_incompletely_stored_model_becomes_no_version() -> None:
    for lost in ({"artifacts/model/weights.bin": OTHER}, {"code/lost.py": OTHER}):
        with pytest.raises(
            OSError,
            match=rf"made: MLflow stored 1 of 2 files, not {next(iter(lost))}: is its disk full",
        ):
            made_version({}, {"MLmodel": bytes_sum(b"made by hand"), **lost})
    assert numbers() == []


def test_killed_registration_is_completed_when_its_files_exist() -> None:
    number = versioned("made", "k", is_complete=False)
    with pytest.raises(
        ValueError, match=r"made version 1 is not complete: its registration was interrupted"
    ):
        versions.check_complete("made", number)
    assert find_version("made", "k") == number
    assert versions.check_complete("made", number)


def test_killed_registration_is_deleted_when_a_file_is_missing(store: Path) -> None:
    versioned("made", "k", is_complete=False)
    next(store.rglob("weights.bin")).unlink()
    assert find_version("made", "k") is None
    assert numbers() == []
    assert made_version({}, WEIGHTS) == find_version("made", "k")


def test_missing_model_raises_with_the_version() -> None:
    number = made_version({}, WEIGHTS)
    model = versions.model_id_of(versions.check_complete("made", number))
    mlflow_client.delete_model(model)
    with pytest.raises(OSError, match=rf"made version 1 is damaged: model {model} was deleted"):
        versions.check_files("made", number)


def test_damaged_file_raises_with_version_and_remedy(store: Path) -> None:
    number = made_version({}, WEIGHTS)
    versions.check_files("made", number)
    next(store.rglob("weights.bin")).write_bytes(b"0123456780")
    with pytest.raises(OSError, match=r"weights.bin has other content.*refrain rollback made"):
        versions.check_files("made", number)


def double(key: str) -> None:
    """A second version of an existing key, as made by a machine that does not share the lock."""
    model = logged("made")
    files = json.dumps(stored_files(model))
    mlflow_client.create_version(
        "made", model, run_of("made"), {versions.KEY: key, versions.FILES: files}
    )


def test_lower_of_two_simultaneous_versions_is_kept() -> None:
    assert versioned("made", "k") == "1"
    double("k")
    assert versioned("made", "other") == "3"
    assert find_version("made", "k") == "1"
    assert numbers() == ["1", "3"]


def test_machine_with_the_higher_simultaneous_version_gets_the_lower() -> None:
    versioned("made", "k")
    assert made_version({}, WEIGHTS) == "1"
    assert numbers() == ["1"]


def test_duplicate_version_with_an_alias_is_kept() -> None:
    versioned("made", "k")
    double("k")
    mlflow_client.set_alias("made", "kept_by_a_user", "2")
    assert find_version("made", "k") == "1"
    assert numbers() == ["1", "2"]


def test_version_of_another_program_counts_as_complete_and_is_not_changed() -> None:
    model = logged("made")
    mlflow_client.create_version("made", model, run_of("made"), {})
    assert versions.check_complete("made", "1")
    assert find_version("made", "") is None
    assert numbers() == ["1"]


def test_missing_version_raises_with_the_existing_ones() -> None:
    for key in ("a", "b"):
        versioned("made", key)
    with pytest.raises(ValueError, match=r"made has no version 7: there are 2, 1"):
        versions.check_complete("made", "7")
    with pytest.raises(
        ValueError, match=r"there is no model 'maed' in MLflow: did you mean made\?"
    ):
        versions.check_model("maed")


def test_challenger_is_the_newest_version_in_any_order_of_registration() -> None:
    first, second = (versioned("made", key) for key in ("a", "b"))
    for number in (second, first):
        versions.set_challenger("made", number)
        assert mlflow_client.version_with_alias("made", "challenger") == second


def test_threads_that_register_the_same_key_make_one_version() -> None:
    logged("made")  # the experiment is there
    found: list[str] = []

    def register() -> None:
        with locked("versions", "made"):
            found.append(find_version("made", "k") or made_version({}, WEIGHTS))

    threads = [threading.Thread(target=register) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["1"] * 6
    assert numbers() == ["1"]


def test_machines_without_a_common_lock_agree_on_one_version() -> None:
    logged("made")  # the experiment is there
    for number in range(4):
        key = f"key {number}"
        start = threading.Barrier(2)
        found = list[str]()

        def register(
            key: str = key, start: threading.Barrier = start, found: list[str] = found
        ) -> None:
            assert find_version("made", key) is None
            start.wait()
            found.append(made_version({}, WEIGHTS, key))

        threads = [threading.Thread(target=register) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [find_version("made", key)] * 2
        assert len(numbers()) == number + 1


def test_tag_written_concurrently_by_another_machine_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = made_version({}, WEIGHTS)
    client = mlflow_client.client()
    write = client.set_model_version_tag
    calls = list[str]()

    def overtaken(name: str, version: str, key: str, value: str) -> None:
        calls.append(value)
        if len(calls) == 1:  # the other's tag comes in between looking and inserting
            write(name, version, key, "theirs")
            raise mlflow_client.MlflowException("UNIQUE constraint failed: model_version_tags.key")
        write(name, version, key, value)

    monkeypatch.setattr(client, "set_model_version_tag", overtaken)
    mlflow_client.set_version_tag("made", number, "refrain.seen", "ours")
    assert calls == ["ours", "ours"]
    assert versions.check_complete("made", number).tags["refrain.seen"] == "ours"


def test_unwritable_tag_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    number = made_version({}, WEIGHTS)

    def broken(name: str, version: str, key: str, value: str) -> None:
        raise mlflow_client.MlflowException("disk I/O error")

    monkeypatch.setattr(mlflow_client.client(), "set_model_version_tag", broken)
    with pytest.raises(mlflow_client.MlflowException, match="disk I/O error"):
        mlflow_client.set_version_tag("made", number, "refrain.seen", "ours")


def test_address_of_mlflow_does_not_enter_the_environment(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_client.mlflow.get_tracking_uri() != mlflow_client.tracking_uri()
    mlflow_client.client()
    assert mlflow_client.mlflow.get_tracking_uri() == f"sqlite:///{store / 'mlflow.db'}"
    assert "MLFLOW_TRACKING_URI" not in os.environ  # else it would look chosen by the user
