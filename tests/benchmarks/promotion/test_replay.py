"""The replay benchmark counts differing replays."""

from typing import Any

import pytest

from benchmarks.data.real_sets import CATALOG
from benchmarks.promotion.replay import DATASETS, figures
from data.catalog.catalog import read_catalog


def report(problem: str, *, is_identical: bool) -> dict[str, Any]:
    facts = [
        {"what": "threads", "then": "2", "now": "2"},
        {"what": "device", "then": "cpu", "now": "cpu"},
    ]
    return {"problem": problem, "is_identical": is_identical, "num_weights": 1_234, "facts": facts}


@pytest.mark.parametrize(("is_identical", "value"), [(True, 1), (False, 0)])
def test_figure_is_one_only_if_all_replays_are_identical(is_identical: bool, value: float) -> None:
    (found,) = figures(
        {"a": report("ner", is_identical=True), "b": report("sentiment", is_identical=is_identical)}
    )
    assert (found.figure, found.value, found.is_met) == ("replay_identical", value, is_identical)
    assert found.note.startswith(
        f"{1 + is_identical} of 2 trained again in a process of their own (threads: 2): ner "
        "(`a`, 1,234"
    )


def test_every_problem_of_the_catalog_is_replayed() -> None:
    entries = read_catalog(CATALOG)
    posed = sorted({entry.problem for entry in entries.values()})
    assert sorted(entries[name].problem for name in DATASETS) == posed
