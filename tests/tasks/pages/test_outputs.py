"""The worst errors of a model on its page, the gradients of its training, and its data."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import find_problem
from tasks.pages.champion_data import champion_data
from tasks.pages.gradients import gradient_lines
from tasks.pages.outputs import error_rows, sample_rows
from tasks.store.artifacts import Checkpoint, Scores


@pytest.fixture
def scores(store: Path) -> Scores:
    """Scores of three texts, of which one answer is right."""
    reference = ["pos", "neg", "pos"]
    output = ["pos", "pos", "neg"]
    made = Scores(
        dataset="made",
        digest="s",
        problem="sentiment",
        checkpoint="c",
        tokens="t",
        mlflow_run="m",
        test_split="x",
        metrics={"accuracy": {"value": 33.3}},
        baselines={},
    )
    made.folder.mkdir(parents=True)
    kind = find_problem("sentiment").output
    table = pd.DataFrame(
        {"source": ["a | b", "second", "third"], "reference": reference, "output": output}
    )
    table[kind.confidence] = [0.9, 0.6, 0.8]
    table.to_parquet(made.folder / "outputs.parquet")
    statistics = find_metric("accuracy").statistics(output, reference)
    np.savez(made.folder / "statistics.npz", accuracy=statistics)
    return made


def test_the_errors_that_the_model_is_most_sure_of_come_first(scores: Scores) -> None:
    assert list(error_rows(scores))[2:] == ["| third | pos | neg |", "| second | neg | pos |"]


def test_samples_are_the_first_rows_and_escape_their_text(scores: Scores) -> None:
    assert list(sample_rows(scores))[2] == r"| a \| b | pos | pos |"


def test_a_dataset_without_a_champion_has_nothing_to_compare_with() -> None:
    assert champion_data("made", "", None) == "There is no champion to compare with."  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clipped", "skipped", "said"),
    [
        (0.1, 0, "The gradients are healthy"),
        (0.9, 0, "More than half of the steps were clipped"),
        (0.1, 2, "2 steps were skipped"),
    ],
)
def test_the_gradients_of_a_training_are_judged(
    store: Path, clipped: float, skipped: int, said: str
) -> None:
    made = Checkpoint(
        dataset="made",
        digest="c",
        problem="sentiment",
        tokens="t",
        mlflow_run="m",
        epochs=1,
        best_epoch=1,
        validation_loss=0.5,
        clipped_share=clipped,
        train_seconds=2.0,
        num_parameters=1,
        settings=vars(find_problem("sentiment").defaults),
    )
    made.folder.mkdir(parents=True)
    steps = [{"gradient_norm": norm} for norm in (1.0, 2.0, 9.0)]
    history = {"steps": steps, "epochs": [{"num_skipped": skipped}]}
    (made.folder / "history.json").write_text(json.dumps(history))
    text = "\n".join(gradient_lines(made))
    assert "median 2, 90th percentile 7.6, largest 9" in text
    assert said in text
