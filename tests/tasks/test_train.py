"""The task of a training: the digest of a checkpoint, metric points and the figure."""

import math
from pathlib import Path

import pytest

from rnn_models.problem import find_problem, problem_names
from rnn_models.settings import TrainSettings
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from tasks.pages.training import clipping_words, training_figure
from tasks.registry import tracked_run as stage
from tasks.registry.tracked_run import MetricPoints
from tasks.store.code import training_code
from tasks.store.sealed import write_sealed
from tasks.train import improving, interrupted_run


def test_code_digest_differs_for_each_problem() -> None:
    digests = {training_code(name) for name in problem_names()}
    assert len(digests) == len(problem_names())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip_norm": 2.5}, "norm 2.5"),
        ({"clipping": "value"}, "value 1"),
        ({"clipping": "adaptive"}, "percentile 10 of the norms so far"),
        ({"clipping": "none"}, "nothing"),
    ],
)
def test_training_figure_shows_the_threshold_of_each_clipping_method(
    changes: dict[str, object], words: str
) -> None:
    settings = TrainSettings().with_changes(changes)
    allowed = settings.clip_norm if settings.clipping == "norm" else float("inf")
    steps = [
        TrainingStep(1, number, 1.0, 3.0, number == 0, 0.1, 9.0, allowed) for number in range(4)
    ]
    epoch = Epoch(1, 3, 1.0, 1.0, 0.25, 1.0, validation_score=85.3)
    figure = training_figure(
        TrainingHistory(steps=steps, epochs=[epoch]), settings, find_problem("ner")
    )
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == [f"clipped by {clipping_words(settings)}: 25% of steps"]
    assert words in labels[0]
    above = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert above == ["train, per step", "validation", "best epoch, 1", "validation, entity F1"]
    assert figure.axes[2].get_lines()[0].get_ydata().tolist() == [85.3]


def test_metric_point_is_the_mean_of_the_known_values_of_ten_steps(store: Path) -> None:
    points = MetricPoints("", "validation_span_f1")
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
        "train_loss": 5.0,
        "gradient_norm": 11.0,
        "clipped_share": 0.3,
        "learning_rate": 1.0,
        "tokens_per_second": 100.0,
    }
    assert found == pytest.approx(expected | {"update_ratio": 0.5})


def test_metric_without_a_value_in_any_step_has_no_point(store: Path) -> None:
    points = MetricPoints("", "validation_span_f1")
    for number in range(10):
        points.add_step(TrainingStep(1, number, math.nan, math.inf, False, 0.1, 100.0))
    assert {name: value for name, value, *_ in points.spool.points} == {
        "gradient_norm": math.inf,
        "clipped_share": 0.0,
        "learning_rate": 0.1,
        "tokens_per_second": 100.0,
    }


@pytest.mark.case("D18")
def test_mlflow_gets_comparable_losses_and_the_headline_of_each_epoch(
    monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    written: list[tuple[str, float, int, int]] = []
    monkeypatch.setattr(stage, "log_metrics", lambda run_id, points: written.extend(points))
    epoch = Epoch(1, 41, 0.5, 0.6, 0.0, 2.0, validation_score=85.3, is_chosen_by_score=True)
    points = MetricPoints("", "validation_span_f1")
    points.add_epoch(epoch)
    assert points.spool.close(5)
    found = {name: value for name, value, step, _ in written if step == 41}
    assert found == {
        "epoch_train_loss": 0.5,
        "validation_loss": 0.6,
        "validation_span_f1": 85.3,
        "epoch_seconds": 2.0,
        "skipped_steps": 0.0,
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
