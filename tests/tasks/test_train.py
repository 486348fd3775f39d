"""The task of a training: the digest of a checkpoint, and metric points."""

import math
from pathlib import Path

import pytest

from rnn_models.problem import find_problem, problem_names
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from tasks.registry import tracked_run as stage
from tasks.registry.tracked_run import MetricPoints
from tasks.store.code import training_code
from tasks.store.sealed import write_sealed
from tasks.train import improving, interrupted_run


def test_code_digest_differs_for_each_problem() -> None:
    digests = {training_code(name) for name in problem_names()}
    assert len(digests) == len(problem_names())


def test_metric_point_is_the_mean_of_the_known_values_of_ten_steps(store: Path) -> None:
    points = MetricPoints("", "span_f1")
    for number in range(1, 11):
        loss = math.nan if number == 10 else float(number)
        points.add_step(
            TrainingStep(
                1,
                number - 1,
                loss,
                2.0 * number,
                number > 7,
                0.1 * number,
                100.0,
                update_ratio=0.5 if number == 1 else None,
            )
        )
    found = {name: value for name, value, step, _ in points.spool.points if step == 9}
    expected = {
        "train/loss": 5.0,
        "train/gradient_norm": 11.0,
        "train/clipped_share": 0.3,
        "train/learning_rate": 1.0,
        "train/tokens_per_second": 100.0,
    }
    assert found == pytest.approx(expected | {"train/update_ratio": 0.5})


def test_metric_without_a_value_in_any_step_has_no_point(store: Path) -> None:
    points = MetricPoints("", "span_f1")
    for number in range(10):
        points.add_step(TrainingStep(1, number, math.nan, math.inf, False, 0.1, 100.0))
    assert {name: value for name, value, *_ in points.spool.points} == {
        "train/gradient_norm": math.inf,
        "train/clipped_share": 0.0,
        "train/learning_rate": 0.1,
        "train/tokens_per_second": 100.0,
    }


def test_a_long_training_has_few_points_and_a_short_one_all_of_them() -> None:
    num, step = 0, 0
    while step < 50_000_000:
        span = stage.span_of_point(step)
        assert step == span.start
        num, step = num + 1, span.stop
    assert num < 2000
    assert [stage.span_of_point(step) for step in (0, 9, 2499)] == [
        range(10),
        range(10),
        range(2490, 2500),
    ]


@pytest.mark.case("D18")
def test_mlflow_gets_comparable_losses_and_the_headline_of_each_epoch(
    monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    written: list[tuple[str, float, int, int]] = []
    monkeypatch.setattr(stage, "log_metrics", lambda run_id, points: written.extend(points))
    epoch = Epoch(1, 41, 0.5, 0.6, 0.0, 2.0, validation_score=85.3, is_chosen_by_score=True)
    points = MetricPoints("", "span_f1")
    points.add_epoch(epoch)
    assert points.spool.close(5)
    found = {name: value for name, value, step, _ in written if step == 41}
    assert found == {
        "train/epoch_loss": 0.5,
        "validation/loss": 0.6,
        "validation/span_f1": 85.3,
        "train/epoch_seconds": 2.0,
        "train/skipped_steps": 0.0,
    }


@pytest.mark.case("D19")
@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([(0.5, 80.0), (0.4, 82.0)], "entity F1 82.00"),
        ([(0.5, 80.0), (0.6, 82.0)], "entity F1 82.00"),
        ([(0.5, 80.0), (0.4, 79.0)], "loss 0.400"),
        ([(0.5, 80.0), (0.6, 79.0)], ""),
    ],
)
def test_improving_names_the_measures_that_were_best_in_the_last_epoch(
    pairs: list[tuple[float, float]], words: str
) -> None:
    epochs = [
        Epoch(n, n, 1.0, loss, 0.0, 1.0, validation_score=score, is_chosen_by_score=True)
        for n, (loss, score) in enumerate(pairs, 1)
    ]
    assert improving(TrainingHistory(epochs=epochs), find_problem("ner")) == words


@pytest.mark.parametrize("content", [b"", b"\0\0", b"0123", b'{"run": "other", "checkpoint": "x"}'])
def test_damaged_run_id_opens_a_new_mlflow_run(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mlflow_run"
    assert interrupted_run(path) == ""
    write_sealed(path, {"run": "ours", "checkpoint": tmp_path.name})
    assert interrupted_run(path) == "ours"
    path.write_bytes(content)
    assert interrupted_run(path) == ""
