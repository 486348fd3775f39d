"""Points reach MLflow completely, in order and once, despite outages and kills."""

import time
from pathlib import Path

import pytest

from rnn_models.training.history import Epoch, TrainingStep
from tasks.registry import metric_spool, tracked_run
from tasks.registry.metric_spool import POINTS, SENT, Point, Spool
from tasks.registry.tracked_run import MetricPoints


class Server:
    """An MLflow with outages and lost answers that stores one of two equal points."""

    def __init__(self) -> None:
        self.points: dict[Point, None] = {}
        self.is_away = False
        self.loses_answers = False

    def write(self, run_id: str, points: list[Point]) -> None:
        if self.is_away:
            raise OSError("connection refused by http://me:secret@host")
        self.points |= dict.fromkeys(points)
        if self.loses_answers:
            raise OSError("500")


@pytest.fixture
def server(store: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(tracked_run, "log_metrics", server.write)
    monkeypatch.setattr(metric_spool, "WAITS_SECONDS", (0.01,))
    return server


def train(run_id: str, first: int, last: int, *, epoch_ends: int = 0) -> MetricPoints:
    """Steps of a training of two epochs of 25 steps, counted from 1; MLflow counts from 0."""
    points = MetricPoints(run_id, "accuracy")
    for number in range(first, last + 1):
        points.add_step(
            TrainingStep((number - 1) // 25 + 1, number - 1, 1 / number, 1.0, False, 0.1, 9)
        )
        if number == epoch_ends:
            points.add_epoch(
                Epoch(number // 25, number - 1, 0.5, 0.5, 0.0, 1.0, validation_score=0.5)
            )
    return points


def test_outage_delays_points_without_loss_or_duplicates(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.is_away = True
    points = train("run", 1, 50, epoch_ends=25)
    points.flush()
    time.sleep(0.1)
    assert server.points == {}
    server.is_away = False
    assert points.spool.close(5)
    assert list(server.points) == points.spool.points
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "secret" not in caplog.text


def test_lost_answer_duplicates_no_point(server: Server) -> None:
    server.loses_answers = True
    points = train("run", 1, 50, epoch_ends=25)
    points.flush()
    time.sleep(0.1)
    server.loses_answers = False
    assert points.spool.close(5)
    assert list(server.points) == points.spool.points


def test_points_after_a_kill_at_any_step_equal_those_of_an_uninterrupted_training(
    server: Server,
) -> None:
    whole = train("whole", 1, 50, epoch_ends=25)
    whole.flush()
    assert whole.spool.close(5)
    server.points.clear()
    for first, last in ((1, 7), (6, 18), (14, 33), (26, 41), (36, 50)):  # back to a saved state
        points = train("killed", first, last, epoch_ends=25)
        points.flush()
    assert points.spool.close(5)
    expected = [(name, pytest.approx(value), step) for name, value, step, _ in whole.spool.points]
    assert [(name, value, step) for name, value, step, _ in points.spool.points] == expected
    assert len(server.points) == len(expected)


def test_truncated_line_is_dropped_and_written_again(server: Server) -> None:
    points = train("run", 1, 20)
    points.flush()
    assert points.spool.close(5)
    path = points.spool.folder / POINTS
    path.write_bytes(path.read_bytes()[:-5])
    again = train("run", 11, 20)
    again.flush()
    assert again.spool.close(5)
    assert {point[:3] for point in again.spool.points} == {
        point[:3] for point in points.spool.points
    }


@pytest.mark.parametrize("content", ["", "x", "[]", "99999"])
def test_damaged_count_resends_points_without_duplicates(server: Server, content: str) -> None:
    points = train("run", 1, 20)
    points.flush()
    assert points.spool.close(5)
    (points.spool.folder / SENT).write_text(content)
    spool = Spool("run", server.write)
    spool.write()
    assert spool.close(5)
    assert len(server.points) == len(points.spool.points)


def test_permanent_outage_keeps_the_points_on_disk(server: Server) -> None:
    server.is_away = True
    points = train("run", 1, 20)
    points.flush()
    assert not points.spool.close(0.1)
    assert "refused" in points.spool.failure
    assert len(Spool("run", server.write).points) == len(points.spool.points)
