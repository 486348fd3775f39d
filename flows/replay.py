"""A registered version trained again."""

from prefect import flow

from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.maintenance.run_start import begin_run
from tasks.registry.replay_report import Replay
from tasks.replay import train_again


@flow(flow_run_name="replay-{model}", on_crashed=[cancelled_by_signal])
def replay(model: str, version: str = "champion", catalog: str | None = None) -> Replay:
    """Train a version again from its snapshot and settings, and compare the weights bit by bit.

    Args:
        model: Name of a registered model, such as rotten_tomatoes.
        version: A version number, or an alias: champion, previous, challenger.
        catalog: Further catalog files, separated by colons; needed only if the token set was
            pruned.
    """
    begin_run()
    return train_again(model, version, catalog)
