"""Checks after ingestion and before training."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from flows import retrain as flow
from tasks.promotion import evidence as stage


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that ran after the checks."""
    reached: list[str] = []
    monkeypatch.setattr(flow, "begin_run", lambda: None)  # it calls Prefect's server
    monkeypatch.setattr(flow, "ingest", lambda *given: None)
    monkeypatch.setattr(flow, "tokenize", lambda *given: SimpleNamespace(problem="ner"))
    monkeypatch.setattr(stage, "references", lambda tokens: [["B-PER", "O"], ["B-LOC", "I-LOC"]])

    def reach(*given: Any) -> None:
        reached.append("train")
        raise InterruptedError

    monkeypatch.setattr(flow, "train", reach)
    return reached


@pytest.mark.case("D18")
@pytest.mark.parametrize(
    ("guards", "message"),
    [
        ({"PRE": 1}, r"has no class 'PRE': did you mean PER\?"),
        ({"PER": 1, "ORG": 2}, "has no class 'ORG'"),
    ],
)
def test_guard_of_an_unknown_class_fails_before_training(
    trained: list[str], guards: dict[str, float], message: str
) -> None:
    last: Any = flow.retrain.fn("msra", {"promotion": {"guards": guards}})
    assert last.is_failed()
    assert re.search(message, last.message)
    assert trained == []


@pytest.mark.parametrize("guards", [{"PER": 1.0}, {}])
def test_guards_of_known_classes_are_accepted(trained: list[str], guards: dict[str, float]) -> None:
    with pytest.raises(InterruptedError):
        flow.retrain.fn("msra", {"promotion": {"guards": guards}})
    assert trained == ["train"]
