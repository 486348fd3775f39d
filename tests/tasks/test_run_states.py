"""The last state of a flow run: its name and message are the outcome, without a traceback."""

import logging
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Completed

from tasks.ingestion.refused_data import RefusedDataError
from tasks.promotion.decision_states import decided
from tasks.run_states import in_one_sentence, plain_record
from tasks.store.artifacts import Promotion


def promotion(**given: Any) -> Promotion:
    """A decision."""
    common = {
        "dataset": "made",
        "digest": "d",
        "version": "2",
        "is_promoted": False,
        "reason": "not promoted: p is 0.4",
        "metric": "accuracy",
        "challenger_score": 80.0,
        "champion_version": "",
        "champion_score": None,
        "scores": "s",
        "mlflow_run": "m",
    }
    return Promotion(**{**common, **given})


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"is_promoted": True}, "Promoted"),
        ({"champion_version": "1"}, "Kept champion"),
        ({"aliases": ["champion"]}, "Kept champion"),
        ({}, "Not promoted"),
    ],
)
def test_a_retraining_ends_in_a_state_named_by_its_decision(
    given: dict[str, Any], name: str
) -> None:
    made = promotion(**given)
    state: Any = decided(made)
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, name, made.reason)


def test_a_retraining_without_changes_ends_unchanged_with_the_earlier_reason() -> None:
    made: Any = Completed(name="Unchanged", data=promotion(is_promoted=True, reason="better"))
    state: Any = decided(made)
    assert (state.name, state.message) == ("Unchanged", "better")


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (ValueError("no such\n setting"), "Failed", "no such setting"),
        (RefusedDataError("split test has no rows"), "Refused data", "split test has no rows"),
        (OSError("cannot read http://u:secret@h/a"), "Failed", "cannot read http://***@h/a"),
    ],
)
def test_a_mistake_is_the_message_of_a_failed_state(
    error: Exception, name: str, message: str
) -> None:
    @in_one_sentence
    def work() -> Any:
        raise error

    state = work()
    assert (state.type, state.name, state.message) == (StateType.FAILED, name, message)
    assert state.data is error


def test_an_error_of_ours_is_raised() -> None:
    @in_one_sentence
    def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        work()


@pytest.mark.parametrize(("error", "is_plain"), [(ValueError("wrong"), True), (KeyError(), False)])
def test_the_log_of_a_run_has_a_traceback_of_our_own_errors_only(
    error: Exception, is_plain: bool
) -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 1, "failed: %r", (error,), None)
    record.exc_info = (type(error), error, None)
    assert plain_record(record)
    assert (record.getMessage() == "wrong", record.exc_info is None) == (is_plain, is_plain)
