"""The stages of a retraining without the engine, in a forked process that may be killed.

The imports take many times as long as a stage of a tiny dataset, so each process
is a fork of one that has imported everything and opened nothing.
"""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from tasks.errors.known_errors import known_error
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.maintenance.stale_runs import close_mlflow_runs
from tasks.promote import promote
from tasks.register import register
from tasks.settings import Settings
from tasks.store.artifacts import Promotion
from tasks.store.temporary import sweep_files, use_for_libraries
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train

STAGES = ("start", "ingest", "tokenize", "train", "evaluate", "register", "promote")
FAILED = 3  # exit status after a message
FORK = get_context("fork")


def retrain_line(dataset: str, settings: Settings, stage: "Synchronized[int]") -> Promotion:
    """Run all stages, and show which one runs."""

    def begin(name: str) -> None:
        stage.value = STAGES.index(name)

    sweep_files()
    for line in close_mlflow_runs():
        print(f"closed {line}", file=sys.stderr)
    begin("ingest")
    rows = directly(ingest, dataset)
    begin("tokenize")
    tokens = directly(tokenize, rows, settings.tokens)
    begin("train")
    checkpoint = directly(train, tokens, settings.training)
    begin("evaluate")
    scores = directly(evaluate, checkpoint, tokens, settings.evaluation)
    begin("register")
    challenger = directly(register, checkpoint, tokens, scores)
    begin("promote")
    return directly(promote, challenger, scores, tokens, settings.promotion)


def start_line(
    store: Path,
    catalog: Path,
    dataset: str,
    settings: Settings,
    output: Path,
    *,
    prepare: Callable[[], None] = lambda: None,
) -> tuple[ForkProcess, "Synchronized[int]"]:
    """Start a process that retrains a dataset in a store, with its output in a file."""
    stage = FORK.Value("i", 0)

    def work() -> None:
        with output.open("ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ |= {"REFRAIN_HOME": str(store), "REFRAIN_CATALOG": str(catalog)}
        use_for_libraries()
        prepare()
        try:
            retrain_line(dataset, settings, stage)
        except Exception as error:
            message = known_error(error)
            if message is None:
                raise
            print(f"refrain: {message}", file=sys.stderr, flush=True)
            os._exit(FAILED)

    process = FORK.Process(target=work)
    process.start()
    return process, stage
