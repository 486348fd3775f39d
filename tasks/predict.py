"""Predictions of a registered version for files of raw rows."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions, chosen_version, write_predictions
from tasks.store.artifacts import ModelVersion
from tasks.task_states import unchanged


@task(task_run_name="choose-{model}", cache_policy=NO_CACHE)
def choose(model: str) -> ModelVersion:
    """Find the version of a name now, so that one version predicts all parts."""
    return chosen_version(model)


@task(task_run_name="predict-{version.name}", cache_policy=NO_CACHE)
def predict_files(
    version: ModelVersion, source: str | Sequence[str], target: str, settings: PredictSettings
) -> Predictions:
    """Predict all rows of files, and write the missing parts."""
    found = write_predictions(version, source, target, settings)
    return unchanged(found) if found.is_unchanged else found
