"""Predictions of a registered model for files of raw rows."""

from prefect import flow

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions
from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.maintenance.run_start import begin_run
from tasks.predict import choose, predict_files

DEFAULTS = PredictSettings()


@flow(flow_run_name="predict-{model}", on_crashed=[cancelled_by_signal])
def predict(
    model: str, source: str | list[str], target: str, settings: PredictSettings = DEFAULTS
) -> Predictions:
    """Predict the rows of files with a registered model.

    Args:
        model: NAME for its champion; or NAME@ALIAS, or NAME/VERSION.
        source: CSV, TSV, JSON Lines or Parquet: paths, globs or addresses; gz, bz2, xz or zst
            compressed files too.
        target: Folder for the predictions only, as Parquet; rejected rows are in its folder
            _refused.
        settings: Columns of the rows, columns to keep, parameters of the model, rows per file.
    """
    begin_run()
    version = choose(model)
    return predict_files(version, source, target, settings)
