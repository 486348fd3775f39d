"""Token set to checkpoint: one training, tracked in MLflow, resumed after an interruption."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from rnn_models.checkpoints.checkpoint import save_model
from rnn_models.checkpoints.machine import describe_machine
from rnn_models.problem import Problem, find_problem
from rnn_models.settings import TrainSettings
from rnn_models.training.history import TrainingHistory, stalls
from rnn_models.training.loop import Hooks, fit
from rnn_models.training.resume import remove_states
from rnn_models.training.validation import headline_of
from tasks import stopping
from tasks.ingestion.snapshot_writer import REPORT
from tasks.maintenance.run_start import run_seconds
from tasks.pages.data import PAGE
from tasks.pages.progress import each, link_training, shown_training
from tasks.pages.training import clipping_words
from tasks.registry.tracked_run import metric_points
from tasks.registry.training_log import finish_log, is_logged
from tasks.registry.training_run import closing, is_open_to_logs, log_file, start_run
from tasks.settings import TrainChanges, changes
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.code import digest, training_code
from tasks.store.durable import write_text
from tasks.store.sealed import DamagedError, read_sealed, write_sealed
from tasks.task_states import unchanged

log = logging.getLogger(__name__)
RESUME = "resume.safetensors"
HOOKS = Hooks()  # of a training that is not tracked


@task(task_run_name="train-{tokens.dataset}", cache_policy=NO_CACHE)
def train(tokens: TokenSet, settings: TrainChanges) -> Checkpoint:
    """Train one model on a token set and keep its best epoch."""
    problem = find_problem(tokens.problem)
    chosen = problem.defaults.with_changes(changes(settings))
    key = digest(tokens.digest, chosen.of_weights, training_code(problem.name))
    with Checkpoint.once(tokens.dataset, key, keep_partial=True) as (found, folder):
        if found:
            return unchanged(found if is_logged(found) else finish_log(found, tokens))
        run_id = followed_run(folder, tokens, chosen)
        link_training(run_id, tokens.dataset)
        with closing(run_id), stopping.listening(tokens.dataset):
            history = followed_fit(problem, tokens, chosen, folder, run_id)
        made = write_checkpoint(folder, key, tokens, problem, chosen, history, run_id)
    stopping.forget_saved()
    return finish_log(made, tokens)


def followed_run(folder: Path, tokens: TokenSet, settings: TrainSettings) -> str:
    """Open an MLflow run, or reopen that of an interrupted training of the same key."""
    path = folder / "mlflow_run"
    known = interrupted_run(path)
    if known and is_open_to_logs(known):
        return known
    tags = {"refrain.precision": describe_machine(settings)["precision"]}
    run_id = start_run(tokens, asdict(settings), tags)
    for report in (PAGE, REPORT):
        log_file(run_id, tokens.snapshot_of().folder / report, "data")
    write_sealed(path, {"run": run_id, "checkpoint": folder.name})
    return run_id


def interrupted_run(path: Path) -> str:
    """Read the MLflow run of an interrupted training; empty if there is none, or it is damaged."""
    try:
        found = read_sealed(path)
    except FileNotFoundError:
        return ""
    except DamagedError as error:
        log.warning("%s: the training is logged to a new MLflow run", error)
        return ""
    return str(found.get("run", "")) if found.get("checkpoint") == path.parent.name else ""


def followed_fit(
    problem: Problem, tokens: TokenSet, settings: TrainSettings, folder: Path, run_id: str
) -> TrainingHistory:
    """Train, and write metrics to the log and to MLflow."""
    with (
        metric_points(run_id, headline_of(problem).name) as points,
        shown_training(settings, problem) as shown,
    ):

        def on_save() -> None:
            points.flush()
            stopping.note_saved(points.num_steps)

        on_step = each(points.follow_step, shown.add_step)
        on_epoch = each(points.add_epoch, shown.add_epoch)
        hooks = Hooks(on_step, on_epoch, on_save, stopping.is_requested, run_seconds)
        return fit_tokens(problem, tokens, settings, hooks, folder / RESUME)


def fit_tokens(
    problem: Problem,
    tokens: TokenSet,
    settings: TrainSettings,
    hooks: Hooks = HOOKS,
    resume: Path | None = None,
) -> TrainingHistory:
    """Train on a token set."""
    examples = {split: tokens.examples(split) for split in ("train", "validation")}
    read = getattr(examples["train"], problem.output.read_side)
    log.info(
        "training on %s examples, %s tokens, with %s %d in %s, gradients clipped by %s",
        f"{len(examples['train']):,}",
        f"{int(read.lengths.sum()):,}",
        settings.encoder,
        settings.hidden_size,
        describe_machine(settings)["precision"],
        clipping_words(settings),
    )
    return fit(
        problem,
        examples["train"],
        examples["validation"],
        tokens.model_sizes(),
        settings,
        vectors=tokens.word_vectors(),
        resume=resume,
        on_step=hooks.on_step,
        on_epoch=hooks.on_epoch,
        on_save=hooks.on_save,
        is_stopping=hooks.is_stopping,
        run_seconds=hooks.run_seconds,
    )


def improving(history: TrainingHistory, problem: Problem) -> str:
    """Name the validation metric that was best in the last epoch: score, loss or none."""
    last = history.epochs[-1]
    if history.is_best_last:
        return headline_of(problem).shown(last.validation_score)
    return "" if stalls(history.epochs)[1] else f"loss {last.validation_loss:.3f}"


def write_checkpoint(
    folder: Path,
    key: str,
    tokens: TokenSet,
    problem: Problem,
    settings: TrainSettings,
    history: TrainingHistory,
    run_id: str,
) -> Checkpoint:
    """Write weights, settings and training history, then the manifest; drop the resume files."""
    save_model(folder, history.weights, problem, tokens.model_sizes(), settings)
    steps, epochs = ([vars(item) for item in items] for items in (history.steps, history.epochs))
    text = json.dumps({"steps": steps, "epochs": epochs, "ended": history.ended})
    write_text(folder / "history.json", text)
    made = Checkpoint(
        dataset=tokens.dataset,
        digest=key,
        problem=problem.name,
        tokens=tokens.digest,
        mlflow_run=run_id,
        epochs=len(epochs),
        best_epoch=history.best.epoch,
        validation_loss=history.best.validation_loss,
        validation_score=headline_of(problem).shown(history.best.validation_score),
        ended=history.ended,
        improving=improving(history, problem),
        clipped_share=sum(step.is_clipped for step in history.steps) / len(steps),
        train_seconds=sum(epoch.seconds for epoch in history.epochs),
        num_parameters=sum(weights.numel() for weights in history.weights.values()),
        settings=asdict(settings),
        machine=describe_machine(settings),
    ).commit()
    remove_states(folder / RESUME)
    return made
