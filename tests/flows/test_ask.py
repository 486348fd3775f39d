"""Policy ask with Prefect's engine: a deployed flow run is suspended, and answered by its form."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("engine")
SETTINGS = {
    "tokens": {"vocabulary_size": 200, "min_frequency": 1},
    "training": {
        "embedding_size": 16,
        "hidden_size": 16,
        "max_epochs": 6,
        "learning_rate": 0.02,
        "batch_size": 8,
    },
}


def prefect(call: Callable[[Any], Any]) -> Any:
    """What Prefect's server answers."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return call(client)


@pytest.fixture(scope="module")
def deployment(engine: None) -> Any:
    """A deployment of the retraining."""
    from flows.retrain import retrain

    flow = prefect(lambda client: client.create_flow(retrain))
    return prefect(lambda client: client.create_deployment(flow_id=flow, name="asks"))


def worked(number: Any) -> Any:
    """A flow run, after its process ran until the end or the suspension."""
    from prefect.exceptions import Pause
    from prefect.flow_engine import run_flow

    from flows.retrain import retrain

    run = prefect(lambda client: client.read_flow_run(number))
    with suppress(Pause):
        run_flow(retrain, flow_run=run, parameters=run.parameters)
    return prefect(lambda client: client.read_flow_run(number))


@pytest.fixture(scope="module")
def trained_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the tests share, so that one of them trains."""
    return tmp_path_factory.mktemp("asks") / "store"


@pytest.fixture
def waiting(
    request: pytest.FixtureRequest,
    trained_store: Path,
    made_catalog: Path,
    deployment: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A flow run that asked about the first version of a model, and is suspended."""
    monkeypatch.setenv("REFRAIN_HOME", str(trained_store))
    monkeypatch.setattr("tasks.promote.check_parity", lambda *given: None)
    hours = 24 + len(request.node.name)  # other settings are another decision
    chosen = SETTINGS | {"promotion": {"policy": "ask", "ask_hours": hours}}
    given = {"dataset": "made_sentiment", "settings": chosen, "catalog": str(made_catalog)}
    run = prefect(
        lambda client: client.create_flow_run_from_deployment(deployment, parameters=given)
    )
    return worked(run.id)


def resumed(run: Any, **answer: str) -> str:
    """Answer the form of a suspended flow run; return why the server refuses, if it does."""
    found = prefect(lambda client: client.resume_flow_run(run.id, run_input=answer))
    return str(getattr(found.details, "reason", "") or "")


def page_of(run: Any) -> str:
    """The newest page of the decision."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    key = ArtifactFilter(key=ArtifactFilterKey(any_=["promotion-made-sentiment"]))
    found = prefect(lambda client: client.read_artifacts(artifact_filter=key))
    own = [page for page in found if page.flow_run_id == run.id]
    return str(max(own, key=lambda page: page.created).data)


def test_time_limit_ends_a_suspended_flow_run(
    waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.maintenance.answered_runs import end_answered_runs
    from tasks.promotion.ledger import Line

    assert end_answered_runs() == []
    monkeypatch.setattr(Line, "has_ended", True)
    (line,) = end_answered_runs()
    assert "nobody decided until" in line
    ended = prefect(lambda client: client.read_flow_run(waiting.id))
    assert ended.state.name == "Not promoted"
    assert "nobody decided until" in page_of(ended)
    assert "not paused" in resumed(ended, decision="promote", name="Ada")


def test_started_again_without_an_answer_it_waits_again(waiting: Any) -> None:
    from prefect.states import Scheduled

    prefect(lambda client: client.set_flow_run_state(waiting.id, Scheduled(), force=True))
    again = worked(waiting.id)
    assert again.state.name == "Suspended"
    assert resumed(again, decision="keep", name="Ada") == ""
    ended = worked(waiting.id)
    assert (ended.state.name, ended.state.message) == (
        "Not promoted",
        "not promoted, decided by Ada, in the dashboard",
    )


def test_suspended_flow_run_goes_on_with_the_answer_of_its_form(waiting: Any) -> None:
    from tasks.maintenance.stale_runs import TAG
    from tasks.promotion.ledger import Ledger
    from tasks.registry import mlflow_client

    assert waiting.state.name == "Suspended", waiting.state.message
    assert not [tag for tag in waiting.tags if tag.startswith(TAG)]
    assert "press *Resume*" in page_of(waiting)
    assert mlflow_client.version_with_alias("made_sentiment", "champion") is None
    assert "non-empty" in resumed(waiting, decision="promote", name="")
    assert "decision" in resumed(waiting, name="Ada")
    assert resumed(waiting, decision="promote", name="Ada", reason="reads irony") == ""
    ended = worked(waiting.id)
    expected = "promoted by Ada, in the dashboard: reads irony"
    assert (ended.state.name, ended.state.message) == ("Promoted", expected)
    line = Ledger.of("made_sentiment").lines[-1]
    assert (line.by, line.why, line.champion) == ("Ada, in the dashboard", expected, "1")
    assert mlflow_client.version_with_alias("made_sentiment", "champion") == "1"
    assert "| decided by | Ada, in the dashboard |" in page_of(ended)
