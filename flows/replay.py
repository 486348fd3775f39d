"""A registered version is trained again."""

from prefect import flow

from tasks.registry.replay_report import Replay
from tasks.replay import train_again


@flow(flow_run_name="replay-{model}")
def replay(model: str, version: str = "champion", catalog: str | None = None) -> Replay:
    """Train a version again from its snapshot and settings, and say whether its weights are the same to the last bit.

    Args:
        model: Name of a registered model, such as rotten_tomatoes.
        version: Number of a version, or an alias: champion, previous, challenger.
        catalog: Path of a catalog file of your own, or several with a colon between; only needed if a token set was pruned.
    """
    return train_again(model, version, catalog)
