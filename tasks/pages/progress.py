"""The progress of a retraining on its page: stage, epoch, loss, score so far, time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, cast
from uuid import UUID

from prefect import Task
from prefect.artifacts import create_link_artifact, create_progress_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from rnn_models.problem import Problem
from rnn_models.settings import TrainSettings
from rnn_models.training.budgets import TRAINING_SHARE
from rnn_models.training.history import Epoch, TrainingStep
from rnn_models.training.validation import headline_of
from tasks.maintenance.run_start import run_seconds
from tasks.pages.run_pages import artifact_key
from tasks.registry.mlflow_client import run_link

# Percent of a whole run at which each stage begins; a training takes most of it.
STARTS = {"ingest": 0, "tokenize": 5, "train": 10, "evaluate": 85, "register": 93, "promote": 96}
SEND_SECONDS = 5.0  # a request takes some 20 ms, so a training loses nothing by it
JOIN_SECONDS = 3.0
SMOOTHING = 0.9  # of the loss that is shown
_artifacts: dict[str, UUID] = {}  # by flow run


def show_stages(*tasks: Task[..., Any]) -> None:
    """Show each stage of a retraining on its page when its task starts."""
    for task in tasks:
        task.on_running(show_stage)


def show_stage(task: Any, task_run: Any, state: object) -> None:
    """Show which stage of a retraining runs; Prefect calls it when a task starts."""
    number = list(STARTS).index(task.name) + 1
    text = f"{task.name}, stage {number} of {len(STARTS)}"
    _show(STARTS[task.name], text, str(flow_run.parameters["dataset"]))


def show_end(text: str, dataset: str) -> None:
    """Show that a retraining is done, and its decision."""
    if str(flow_run.id or "") in _artifacts:
        _show(100, text, dataset)


def _show(percent: float, text: str, dataset: str) -> None:
    run = str(flow_run.id)
    if run in _artifacts:
        _send(_artifacts[run], percent, text)
    else:
        key = artifact_key("progress", dataset)
        made = create_progress_artifact(percent, key=key, description=text)
        _artifacts[run] = cast(UUID, made)  # Prefect declares an awaitable too


def _send(artifact: UUID, percent: float, text: str) -> None:
    with get_client(
        sync_client=True
    ) as client:  # its update_artifact would make an event each time
        body = {"data": percent, "description": text}
        client.request("PATCH", "/artifacts/{id}", path_params={"id": artifact}, json=body)


def link_training(run_id: str, dataset: str) -> None:
    """Link the page of a flow run to the MLflow run of its training, from the first step on."""
    if str(flow_run.id or "") in _artifacts:
        create_link_artifact(
            run_link(run_id),
            link_text=f"MLflow run of {dataset}, live",
            key=artifact_key("mlflow", dataset),
            description="Loss, score and gradient norm of the training, while it runs",
        )


class TrainingProgress:
    """How far a training is; what it shows is read by another thread."""

    def __init__(self, settings: TrainSettings, problem: Problem) -> None:
        self.settings = settings
        self.shown_score = headline_of(problem).shown
        self.started = time.monotonic()
        self.first_share: float | None = None
        self.loss: float | None = None
        self.num_steps = 0
        self.steps_of_epoch = 0  # of the last whole one
        self.epoch_start = 0
        self.epochs: list[Epoch] = []

    def add_step(self, step: TrainingStep) -> None:
        """Note a step and its loss."""
        self.num_steps = step.step + 1
        before = step.loss if self.loss is None else self.loss
        self.loss = SMOOTHING * before + (1 - SMOOTHING) * step.loss

    def add_epoch(self, epoch: Epoch) -> None:
        """Note the score of an epoch."""
        self.epochs.append(epoch)
        self.steps_of_epoch = epoch.last_step + 1 - self.epoch_start
        self.epoch_start = epoch.last_step + 1

    @property
    def share(self) -> float:
        """The share of the training that is done, by the limit that it reaches first."""
        settings = self.settings
        num_epochs = self.epochs[-1].epoch if self.epochs else 0
        part = (self.num_steps - self.epoch_start) / max(self.steps_of_epoch, 1)
        shares = [(num_epochs + min(part, 1) * bool(self.epochs)) / settings.max_epochs]
        if settings.max_steps:
            shares.append(self.num_steps / settings.max_steps)
        if settings.max_minutes:
            shares.append((time.monotonic() - self.started) / 60 / settings.max_minutes)
        if settings.max_run_minutes:
            minutes = TRAINING_SHARE * settings.max_run_minutes
            shares.append(run_seconds() / 60 / minutes)
        return min(max(shares), 1.0)

    def text(self) -> str:
        """Describe epoch, loss, score so far and time left in a line."""
        most = self.settings.max_epochs
        number = min((self.epochs[-1].epoch if self.epochs else 0) + 1, most)
        parts = [f"train, epoch {number} of {most} at most"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3f}")
        if self.epochs:
            best = min(self.epochs, key=lambda epoch: epoch.cost)
            parts.append(f"{self.shown_score(best.validation_score)} so far")
        return ", ".join([*parts, *self._time_left()])

    def _time_left(self) -> Iterator[str]:
        share = self.share
        if self.first_share is None:
            self.first_share = share  # of a training that is resumed, more than 0
        done = share - self.first_share
        if done > 0:
            seconds = (time.monotonic() - self.started) * (1 - share) / done
            yield f"{duration(seconds)} left at most"


def duration(seconds: float) -> str:
    """Write a duration for a person.

    Example:
        >>> duration(95)
        '2 min'
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def shown_training(settings: TrainSettings, problem: Problem) -> Iterator[TrainingProgress]:
    """Show the progress of a training every few seconds; a thread sends it."""
    progress = TrainingProgress(settings, problem)
    artifact = _artifacts.get(str(flow_run.id or ""))
    api = PREFECT_API_URL.value()
    if artifact is None or not api:
        yield progress
        return
    ended = Event()
    auth = PREFECT_API_AUTH_STRING.value()
    server = {PREFECT_API_URL: api} | ({PREFECT_API_AUTH_STRING: auth} if auth else {})
    arguments = (server, artifact, progress, ended)
    thread = Thread(target=_follow, args=arguments, name="progress", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join(JOIN_SECONDS)


def _follow(
    server: dict[Any, Any], artifact: UUID, progress: TrainingProgress, ended: Event
) -> None:
    sent = ""
    span = STARTS["evaluate"] - STARTS["train"]
    while not ended.wait(SEND_SECONDS):
        text = progress.text()
        if text != sent:
            # A thread has no settings of the one that starts it, such as a temporary server.
            # An outage of the server must not end a training.
            with suppress(Exception), temporary_settings(server):
                _send(artifact, round(STARTS["train"] + span * progress.share, 1), text)
                sent = text


def each(*calls: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make one hook of several."""

    def hook(item: Any) -> None:
        for call in calls:
            call(item)

    return hook
