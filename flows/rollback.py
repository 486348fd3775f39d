"""A rollback to the previous champion."""

from prefect import flow

from tasks.maintenance.run_start import begin_run
from tasks.notices.hook import END_HOOKS
from tasks.promotion.ledger import Line
from tasks.rollback import restore, rolled_back
from tasks.run_form import ModelName
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence


@flow(flow_run_name=name_with_reason, **END_HOOKS)
@in_one_sentence
def rollback(model: ModelName, version: str = "", why: str = "") -> Line:
    """Restore the previous champion of a model, or a given version, and record the reason.

    Args:
        model: Registered model; it has the name of its dataset.
        version: Number of the version to make champion. Empty - the previous champion.
        why: Reason, for the ledger.
    """
    begin_run()
    return rolled_back(restore(model, version, why))
