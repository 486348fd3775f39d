"""Predictions of a registered model for files of raw rows."""

from prefect import flow

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import Predictions
from tasks.maintenance.run_start import begin_run
from tasks.notices.hook import END_HOOKS
from tasks.predict import choose, predict_files
from tasks.run_form import ModelName
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence

DEFAULTS = PredictSettings()


@flow(flow_run_name=name_with_reason, **END_HOOKS)
@in_one_sentence
def predict(
    model: ModelName,
    source: str | list[str],
    target: str,
    version: str = "",
    settings: PredictSettings = DEFAULTS,
) -> Predictions:
    """Predict the rows of files with a registered model.

    Args:
        model: Registered model; it has the name of its dataset.
        source: CSV, TSV, JSON Lines or Parquet: paths, globs or addresses; gz, bz2, xz or zst
            compressed files too.
        target: Folder for the predictions only, as Parquet; rejected rows are in its folder
            _refused.
        version: A version number, or an alias - previous or challenger. Empty - the champion.
        settings: Columns of the rows, columns to keep, parameters of the model, rows per file.
    """
    begin_run()
    chosen = choose(model, version)
    return predict_files(chosen, source, target, settings)
