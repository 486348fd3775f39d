"""Files of raw rows, predicted by a registered version."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions, chosen_version, write_predictions
from tasks.store.artifacts import ModelVersion
from tasks.task_states import unchanged


@task(task_run_name="choose-{model}", cache_policy=NO_CACHE)
def choose(model: str) -> ModelVersion:
    """Find the version that a name stands for now, so that all parts are answered by the same."""
    return chosen_version(model)


@task(task_run_name="predict-{version.name}", cache_policy=NO_CACHE)
def predict_files(
    version: ModelVersion, source: str | Sequence[str], target: str, settings: PredictSettings
) -> Predictions:
    """Answer all rows of files, and write the parts that are not there yet."""
    found = write_predictions(version, source, target, settings)
    return found if found.made else unchanged(found)
