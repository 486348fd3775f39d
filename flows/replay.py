"""A registered version trained again."""

from prefect import flow

from tasks.maintenance.run_start import begin_run
from tasks.notices.hook import END_HOOKS
from tasks.registry.replay_report import Replay
from tasks.replay import train_again
from tasks.run_form import HiddenText, ModelName
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence


@flow(flow_run_name=name_with_reason, **END_HOOKS)
@in_one_sentence
def replay(model: ModelName, version: str = "champion", catalog: HiddenText = "") -> Replay:
    """Train a version again from its snapshot and settings, and compare the weights bit by bit.

    Args:
        model: Registered model; it has the name of its dataset.
        version: A version number, or an alias - champion, previous or challenger.
        catalog: Further catalog files, separated by colons; needed only if the token set was
            pruned.
    """
    begin_run()
    return train_again(model, version, catalog)
