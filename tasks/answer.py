"""The answer of a person to the question of a flow run: waited for, carried out and shown.

A flow run of a deployment is suspended: its process ends, and nothing is held
while it waits. Prefect starts it again with the answer, and it goes on here,
whatever happened to its catalog entry or code meanwhile.
"""

import logging
from typing import Any, Literal, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from pydantic import Field

from tasks.maintenance.answered_runs import end_answered_runs
from tasks.maintenance.run_start import forget_process
from tasks.monitoring.events import ASKED as ASKED_EVENT
from tasks.monitoring.events import announce
from tasks.pages.promotion import question_text
from tasks.pages.retraining import retraining_page
from tasks.promotion.answers import made_from, settle
from tasks.promotion.ledger import Ledger
from tasks.promotion.questions import asked_by, is_question_of, latest
from tasks.store.artifacts import Promotion
from tasks.task_states import outcome

log = logging.getLogger(__name__)
SUSPENDED = "suspended-"  # how Prefect begins the keys of the input of a suspension
FROM_DASHBOARD = "in the dashboard"
SOMEBODY = "somebody"  # who typed nothing but spaces


class Answer(RunInput):
    """The form of a suspended flow run."""

    decision: Literal["promote", "keep"] = Field(
        title="Decision",
        description="promote: the challenger becomes champion; keep: the champion stays.",
    )
    name: str = Field(
        title="Your name", description="Written to the ledger.", min_length=1, max_length=100
    )
    reason: str = Field("", title="Reason", description="Optional, also for the ledger.")


def waiting_promotion(dataset: str) -> Promotion | None:
    """Find the decision that this flow run asked about before it was suspended; else None."""
    run = current_run()
    if run is None or run.run_count < 2:
        return None
    return asked_by(dataset, str(run.id))


def current_run() -> FlowRun | None:
    """Return the current flow run of a deployment; only such a run can be suspended."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    is_own_run = run is not None and run.deployment_id and not run.parent_task_run_id
    return run if is_own_run else None


def with_answer(result: Promotion) -> Promotion:
    """Suspend the flow run that asked until a person answers; return any other decision as it is.

    On the command line, and where another flow run asked, the decision keeps waiting.
    """
    promotion: Promotion = outcome(result)
    run = current_run()
    if not promotion.asked_until or run is None:
        return result
    question = Ledger.of(promotion.dataset).question
    is_open = question is not None and question.decision == promotion.digest
    if not is_open:
        return conclude(promotion, None)
    if question and not is_question_of(question, str(run.id)):
        return result
    return conclude(promotion, read_answer(run) or suspended(promotion, run))


def suspended(promotion: Promotion, run: FlowRun) -> Answer:
    """Suspend a flow run; the call does not return, as its process ends.

    The time limit is ours: Prefect would end the flow run as failed. A flow run that waits for
    the answer about an older version ends now.
    """
    end_answered_runs()
    announce(ASKED_EVENT, promotion.dataset, version=promotion.version, until=promotion.asked_until)
    forget_process()
    form = Answer.with_initial_data(description=question_text(promotion))
    return suspend_flow_run(wait_for_input=form, key=_key(run.run_count))


def _key(number: int) -> str:
    # A key of its own for each start: Prefect suspends once for each key, also after a retry.
    return f"question-{number}"


def read_answer(run: FlowRun) -> Answer | None:
    """Read the answer that a flow run was resumed with; None if it was started again without."""
    for number in reversed(range(1, run.run_count)):  # a retry asks again, under another key
        keys = keyset_from_base_key(f"{SUSPENDED}{_key(number)}")
        # Of a flow that is not async, Prefect returns the value, whatever its types say.
        found = cast(Any, read_flow_run_input(keys["response"], flow_run_id=run.id))
        if found:
            return Answer(**found)
    return None


@task(task_run_name="answer-{promotion.dataset}", cache_policy=NO_CACHE)
def conclude(promotion: Promotion, answer: Answer | None) -> Promotion:
    """Carry out the answer of a person, and show the decision.

    Args:
        promotion: The decision that waited.
        answer: None if the question ended without: it was answered elsewhere, or is void.
    """
    if answer:
        made = settle(
            promotion,
            is_promoted=answer.decision == "promote",
            by=f"{answer.name.strip() or SOMEBODY}, {FROM_DASHBOARD}",
            why=answer.reason.strip(),
        )
    else:
        made = latest(promotion)
    log.info(made.reason)
    _, scores, tokens = made_from(promotion)
    retraining_page(made, scores, tokens)
    return made
