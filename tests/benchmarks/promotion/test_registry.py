"""The registry benchmark finds faults of a race."""

import pytest

from benchmarks.promotion.races import (
    RACED,
    Found,
    faults_after,
    faults_now,
    model_version,
    promoted,
)
from benchmarks.promotion.registry import figures
from tasks.registry import mlflow_client
from tasks.registry.versions import COMPLETE

pytestmark = pytest.mark.usefixtures("mlflow_store")


def test_race_with_a_correct_end_has_no_fault() -> None:
    first, second, half = (model_version(key) for key in ("a", "b", "half"))
    mlflow_client.set_version_tag(RACED, half, COMPLETE, "")
    ended = {
        "1": promoted(first, "1")[0],
        "2": promoted(second, "2")[0],
        "3": promoted(half, "3")[0],
    }
    assert ended == {"1": "promoted", "2": "promoted", "3": "refused"}
    assert list(faults_after(ended)) == []
    assert list(faults_after({**ended, "4": "killed"})) == []
    assert list(faults_after({**ended, "4": "promoted"})) == [
        "a promotion without its line, or with two"
    ]


def test_incomplete_or_unrecorded_champion_is_a_fault() -> None:
    first, half = (model_version(key) for key in ("a", "half"))
    promoted(first, "1")
    mlflow_client.set_version_tag(RACED, half, COMPLETE, "")
    mlflow_client.set_alias(RACED, "champion", half)
    assert list(faults_now()) == ["champion not complete"]
    assert list(faults_after({})) == ["champion not complete", "champion not of the ledger"]


def test_counts_become_two_figures() -> None:
    extra, races = figures(Found(registrations=50, extra=0, races=200, killed=25, inconsistent=1))
    assert (extra.value, extra.is_met, races.value, races.is_met) == (0, True, 1, False)
    assert "50 registrations" in extra.note
    assert "25 of whom were killed" in races.note
