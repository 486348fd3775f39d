"""Predictions of a registered version for files of raw rows."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions, chosen_version, write_predictions
from tasks.store.artifacts import ModelVersion
from tasks.task_states import unchanged


@task(task_run_name="choose-{model}", cache_policy=NO_CACHE)
def choose(model: str, version: str = "") -> ModelVersion:
    """Find the version of a name now, so that one version predicts all parts.

    Args:
        model: NAME for its champion; or NAME@ALIAS, or NAME/VERSION.
        version: Number or alias, of a model that is given by its name alone.
    """
    sign = "/" if version.isdigit() else "@"
    return chosen_version(f"{model}{sign}{version}" if version else model)


@task(task_run_name="predict-{version.name}", cache_policy=NO_CACHE)
def predict_files(
    version: ModelVersion, source: str | Sequence[str], target: str, settings: PredictSettings
) -> Predictions:
    """Predict all rows of files, and write the missing parts."""
    found = write_predictions(version, source, target, settings)
    return unchanged(found) if found.is_unchanged else found
