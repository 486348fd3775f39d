"""Flow runs that wait for a person although their question ended: given their last state.

A question ends at its time limit, with ``refrain decide``, with the question about a newer
version, and with any change of the champion.
"""

import logging
from collections.abc import Iterator
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from tasks.maintenance.stale_runs import find_runs
from tasks.pages.retraining import retraining_text
from tasks.pages.run_pages import artifact_key
from tasks.promotion.answers import made_from, recorded
from tasks.promotion.decision_states import WAITING, end_state
from tasks.promotion.questions import asked_by, expire
from tasks.store.artifacts import Promotion

log = logging.getLogger(__name__)


def end_answered_runs() -> list[str]:
    """End the suspended flow runs whose question ended.

    Returns:
        A line for each flow run that was ended.
    """
    ended: list[str] = []
    with get_client(sync_client=True) as client:
        for run in find_runs(client, [StateType.PAUSED]):
            try:
                ended += _end(client, run)
            # What it was about was removed, or MLflow is away.
            except (ValueError, OSError) as error:
                log.warning("flow run %s is not ended this time: %s", run.name, error)
    for line in ended:
        log.info("ended %s", line)
    return ended


def _end(client: SyncPrefectClient, run: FlowRun) -> Iterator[str]:
    made = _decision_of(run)
    if made and not made.asked_until:
        end_run(client, run, made)
        yield f"flow run {run.name}: {made.reason}"


def _decision_of(run: FlowRun) -> Promotion | None:
    """Read how the decision stands that a flow run asked about; None if it asked nothing."""
    name = str(run.parameters.get("dataset", ""))
    promotion = asked_by(name, str(run.id))
    if promotion is None:
        return None
    expire(name)
    return recorded(promotion)


def end_run(client: SyncPrefectClient, run: FlowRun, promotion: Promotion) -> None:
    """Give a flow run that waits the state and the page of a decision."""
    state = run.state
    if state is None or not (state.is_paused() or state.name == WAITING):
        return
    _, scores, tokens = made_from(promotion)
    page = ArtifactCreate(
        type="markdown",
        key=artifact_key("promotion", promotion.dataset),
        data=retraining_text(promotion, scores, tokens),
        description=promotion.reason,
        flow_run_id=run.id,
    )
    client.create_artifact(page)
    client.set_flow_run_state(run.id, end_state(promotion), force=True)


def end_waiting_run(number: str, promotion: Promotion) -> None:
    """End the flow run that asked a person, if the server knows it and it still waits."""
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(UUID(number))
        except ObjectNotFound:
            return
        end_run(client, run, promotion)
