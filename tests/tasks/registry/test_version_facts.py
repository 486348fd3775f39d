"""Few facts of a version are tags; the others are in a file beside its model."""

import pytest

from tasks.registry import mlflow_client, versions
from tasks.registry.version_facts import FACTS, SHOWN, all_facts, keep_facts, read_facts
from tasks.registry.version_files import local_folder
from tasks.store.sealed import DamagedError
from tests.tasks.trained import versioned

pytestmark = pytest.mark.usefixtures("mlflow_store")
GIVEN = {versions.SCORES: "s", "refrain.seed": "1", "refrain.libraries": "{}"}


def test_facts_are_brought_up_to_date_and_others_stay() -> None:
    number = versioned("made", "k")
    keep_facts("made", number, GIVEN)
    found = keep_facts("made", number, {"refrain.seed": "2", versions.SCORES: "t"})
    info = versions.check_complete("made", number)
    assert found == all_facts(info)
    assert {name: found[name] for name in GIVEN} == {
        versions.SCORES: "t",
        "refrain.seed": "2",
        "refrain.libraries": "{}",
    }
    assert set(info.tags) <= SHOWN
    assert len(SHOWN) <= 15
    assert found[versions.KEY] == "k"
    assert versions.fault_of_version(info, is_thorough=True) == ""


def test_a_damaged_file_is_never_believed() -> None:
    number = versioned("made", "k")
    keep_facts("made", number, GIVEN)
    info = versions.check_complete("made", number)
    folder = local_folder(versions.model_id_of(info))
    assert folder
    path = folder / FACTS
    path.write_text(path.read_text().replace('"1"', '"7"'))
    with pytest.raises(DamagedError, match="other content than was written"):
        all_facts(info)


def test_a_version_of_another_program_has_tags_alone() -> None:
    client = mlflow_client.client()
    client.create_registered_model("theirs")
    client.create_model_version("theirs", source="file:///tmp/theirs")
    assert keep_facts("theirs", "1", GIVEN) == GIVEN
    assert dict(client.get_model_version("theirs", "1").tags) == GIVEN
    assert read_facts("") == {}


def test_facts_on_another_disk_are_read_and_written_by_mlflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = versioned("made", "k")
    with monkeypatch.context() as patch:
        patch.setattr("tasks.registry.version_facts.local_folder", lambda model_id: None)
        keep_facts("made", number, GIVEN)
        far = all_facts(versions.check_complete("made", number))
    assert far == all_facts(versions.check_complete("made", number))
    assert far["refrain.seed"] == "1"
