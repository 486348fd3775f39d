"""What MLflow keeps of a finished training: points, history, figure. Completed after an outage.

The checkpoint exists before: what is missing in MLflow is logged by the next run.
"""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

from rnn_models.problem import find_problem
from rnn_models.settings import TrainSettings
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from rnn_models.training.validation import headline_of
from tasks.figures.style import drawn
from tasks.figures.training import training_figure
from tasks.registry import tracked_run
from tasks.registry.metric_spool import one_line, spool_folder
from tasks.registry.mlflow_client import tracking_uri
from tasks.registry.mlflow_library import MlflowException
from tasks.registry.run_description import describe_run
from tasks.registry.tracked_run import MetricPoints
from tasks.registry.training_run import (
    end_run,
    is_open_to_logs,
    log_file,
    log_svg,
    start_run,
)
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.lookup import begin_work

log = logging.getLogger(__name__)
HISTORY = "history.json"


def is_logged(checkpoint: Checkpoint) -> bool:
    """Tell whether MLflow has the run of a checkpoint, and everything of it."""
    run_id = checkpoint.mlflow_run
    return not spool_folder(run_id).exists() and is_open_to_logs(run_id)


def finish_log(checkpoint: Checkpoint, tokens: TokenSet) -> Checkpoint:
    """Log what MLflow lacks of a training, and close its run; if the run is gone, make another.

    Raises:
        OSError: If MLflow does not respond; the checkpoint and the points are kept.
    """
    begin_work()
    try:
        return _finished(checkpoint, tokens)
    except (MlflowException, TimeoutError) as error:
        raise OSError(
            f"{checkpoint.dataset}: the training is done, but MLflow does not respond at "
            f"{one_line(tracking_uri())} ({one_line(error)}). The checkpoint {checkpoint.folder} "
            "is kept: check MLFLOW_TRACKING_URI and the server, and start the same command again"
        ) from error


def _finished(checkpoint: Checkpoint, tokens: TokenSet) -> Checkpoint:
    history = read_history(checkpoint.folder)
    if not is_open_to_logs(checkpoint.mlflow_run):
        checkpoint = _with_new_run(checkpoint, tokens)
    run_id = checkpoint.mlflow_run
    problem = find_problem(checkpoint.problem)
    _send_points(MetricPoints(run_id, headline_of(problem).name), history)
    figure = drawn(training_figure, history, TrainSettings(**checkpoint.settings), problem)
    log_file(run_id, checkpoint.folder / HISTORY)
    log_svg(run_id, figure, "figures/training.svg")
    describe_run(run_id, tokens, checkpoint.settings, [trained_words(checkpoint)])
    end_run(run_id, "FINISHED")
    shutil.rmtree(spool_folder(run_id), ignore_errors=True)
    return checkpoint


def trained_words(checkpoint: Checkpoint) -> str:
    """Describe the result of a training in a sentence."""
    score = f", {checkpoint.validation_score}" if checkpoint.validation_score else ""
    return (
        f"**Epoch {checkpoint.best_epoch} of {checkpoint.epochs} is the best**: validation loss "
        f"{checkpoint.validation_loss:.3f}{score}, after {checkpoint.train_seconds:,.0f} s."
    )


def _send_points(points: MetricPoints, history: TrainingHistory) -> None:
    """Send the points that have not arrived, and those that a deleted run had.

    Raises:
        TimeoutError: If MLflow does not take them in time.
    """
    points.add_history(history)
    spool = points.spool
    if not spool.close(tracked_run.PATIENCE_SECONDS):
        num_waiting = len(spool.points) - spool.num_sent
        raise TimeoutError(
            f"{spool.failure or 'it is slow'}; {num_waiting} points wait in {spool.folder}"
        )


def read_history(folder: Path) -> TrainingHistory:
    """Read steps and epochs of a training, without weights."""
    found = json.loads((folder / HISTORY).read_text())
    return TrainingHistory(
        steps=[TrainingStep(**item) for item in found["steps"]],
        epochs=[Epoch(**item) for item in found["epochs"]],
        ended=found["ended"],
    )


def _with_new_run(checkpoint: Checkpoint, tokens: TokenSet) -> Checkpoint:
    """Make an MLflow run in place of one that was deleted."""
    log.warning(
        "%s: MLflow run %s of the training was deleted; it is logged again",
        checkpoint.dataset,
        checkpoint.mlflow_run,
    )
    tags = {"refrain.replaces": checkpoint.mlflow_run}
    run_id = start_run(tokens, checkpoint.settings, tags)
    return replace(checkpoint, mlflow_run=run_id).commit()
