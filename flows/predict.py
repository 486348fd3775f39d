"""Files of raw rows, answered by a registered model."""

from prefect import flow

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions
from tasks.predict import choose, predict_files

DEFAULTS = PredictSettings()


@flow(flow_run_name="predict-{model}")
def predict(
    model: str, source: str | list[str], target: str, settings: PredictSettings = DEFAULTS
) -> Predictions:
    """Answer the rows of files with a registered model.

    Args:
        model: NAME, whose champion answers; or NAME@ALIAS, or NAME/VERSION.
        source: CSV, TSV, JSON Lines or Parquet: paths, globs or addresses; may be packed as gz, bz2, xz or zst.
        target: Folder for the predictions alone, as Parquet; rejected rows lie in its folder _refused.
        settings: Where the rows stand, columns to keep, params of the model, rows of a part.
    """
    version = choose(model)
    return predict_files(version, source, target, settings)
