"""The inputs of a champion, found by the facts of its version."""

import pytest

from tasks.monitoring import champion_inputs
from tasks.monitoring.champion_inputs import find_champion
from tests.tasks.served import TABLES, Served


@pytest.mark.parametrize("problem", TABLES)
def test_inputs_of_a_registered_version_are_found(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    model = models[problem]
    monkeypatch.setattr(champion_inputs, "version_with_alias", lambda name, alias: "1")
    found = find_champion(model.version.name)
    assert found
    assert (found.version, found.tokens.digest) == ("1", model.tokens.digest)
    assert found.snapshot.digest == model.tokens.snapshot
    assert found.scores.digest == model.scores.digest
