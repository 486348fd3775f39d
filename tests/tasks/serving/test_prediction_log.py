"""The log of a served model: what it answers is written, limited, and never in the way."""

import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from rnn_models.problem import find_problem
from tasks.monitoring.logged_predictions import logged_samples
from tasks.registry import mlflow_client
from tasks.serving import model_server, prediction_log
from tasks.serving.prediction_log import PredictionLog, claim, texts_of
from tests.tasks.served import Served

KIND = find_problem("sentiment").output
ABOUT = {"refrain.model": "made_sentiment", "refrain.version": "1", "refrain.source": "test"}
Opened = Callable[..., PredictionLog]


def answers(num: int) -> pd.DataFrame:
    return pd.DataFrame({"label": ["pos"] * num, "score": [0.75] * num})


def texts(num: int, start: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"text {start + i}" for i in range(num)]})


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Logs that are closed after a test."""
    logs: list[PredictionLog] = []

    def open_log(most_bytes: int = 10**9, flush_seconds: float = 60.0) -> PredictionLog:
        logs.append(
            PredictionLog(tmp_path, KIND, ABOUT, most_bytes=most_bytes, flush_seconds=flush_seconds)
        )
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


def written(folder: Path) -> list[list[str]]:
    """The texts of each part."""
    paths = sorted(folder.glob("part-*.parquet"))
    return [pq.read_table(path)["text"].to_pylist() for path in paths]


@pytest.fixture
def served(
    models: dict[str, Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """The application of `refrain serve --log`; the limit of memory would stay."""
    monkeypatch.setattr(model_server, "limit_memory", lambda num_gigabytes: None)
    monkeypatch.setattr(model_server.sys, "dont_write_bytecode", True)

    def app(problem: str) -> Any:
        mlflow_client.client()
        name = models[problem].version.name
        for variable, value in {
            model_server.MODEL: f"models:/{name}/1",
            model_server.PROBLEM: problem,
            model_server.LOG: str(tmp_path),
            model_server.LOG_SIZE: "1",
            model_server.SIZE: "1",
            model_server.MEMORY: "4",
        }.items():
            monkeypatch.setenv(variable, value)
        return model_server.create_app()

    return app


@pytest.mark.parametrize(
    ("problem", "body", "column"),
    [
        ("sentiment", {"dataframe_records": [{"text": "lumo"}, {"text": "grak"}]}, "label"),
        ("ner", {"inputs": {"text": ["lumo", "grak"]}}, "tags"),
        ("ner", {"dataframe_records": [{"tokens": ["lumo"]}, {"tokens": ["grak"]}]}, "tags"),
        ("translation", {"dataframe_records": [{"text": "lumo"}, {"text": "grak"}]}, "target"),
    ],
)
def test_monitor_reads_what_a_served_model_answered(
    models: dict[str, Served],
    served: Callable[[str], Any],
    tmp_path: Path,
    problem: str,
    body: dict[str, Any],
    column: str,
) -> None:
    with TestClient(served(problem)) as client:  # its end is that of the server
        headers = {"content-type": "application/json"}
        response = client.post("/invocations", content=json.dumps(body), headers=headers)
        assert response.status_code == 200, response.text
    assert written(tmp_path) == [["lumo", "grak"]]
    model = models[problem]
    samples = logged_samples(tmp_path, model.scores, model.tokens, most=20, seed=0)
    assert samples.new.column_names == ["text", column, "confidence"]
    assert samples.new["text"].to_pylist() in (["lumo", "grak"], ["grak", "lumo"])


def test_rejected_request_is_not_logged(served: Callable[[str], Any], tmp_path: Path) -> None:
    with TestClient(served("sentiment")) as client:
        headers = {"content-type": "application/json"}
        body = b'{"dataframe_records": [{"text": ""}]}'
        assert client.post("/invocations", content=body, headers=headers).status_code == 400
    assert written(tmp_path) == []


def test_part_grows_until_it_is_full_and_the_next_server_begins_another(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "PART_ROWS", 4)
    log = opened()
    log.close()
    for start in (0, 3, 6):
        log._write([prediction_log.Answered(pd.Timestamp.now("UTC"), [f"{start}"] * 3, answers(3))])
    assert [len(part) for part in written(tmp_path)] == [6, 3]
    after = opened()
    after.add(texts(1), answers(1))
    after.close()
    assert [len(part) for part in written(tmp_path)] == [6, 3, 1]


def test_oldest_parts_go_beyond_the_size(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "PART_ROWS", 1)
    log = opened(most_bytes=1)
    log.close()
    for start in range(4):
        log._write([prediction_log.Answered(pd.Timestamp.now("UTC"), [f"{start}"], answers(1))])
    assert written(tmp_path) == [["2"], ["3"]]


def test_full_disk_loses_rows_with_a_warning_and_later_rows_are_written(
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = opened()
    log.close()
    batch = [prediction_log.Answered(pd.Timestamp.now("UTC"), ["lumo"] * 3, answers(3))]
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(prediction_log, "write_part", fail)
        log._write(batch)
    assert "3 rows lost" in caplog.text
    assert "No space left on device" in caplog.text
    log._write(batch)
    assert [len(part) for part in written(tmp_path)] == [3]


def test_rows_beyond_the_memory_are_lost_and_counted(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prediction_log, "MOST_ROWS", 4)
    log = opened()
    for start in (0, 3):
        log.add(texts(3, start), answers(3))
    log.close()
    assert [len(part) for part in written(log.folder)] == [3]
    assert "3 rows lost" in caplog.text


def test_rows_are_written_after_a_while_without_a_stop(opened: Opened, tmp_path: Path) -> None:
    log = opened(flush_seconds=0.05)
    log.add(texts(2), answers(2))
    while not written(tmp_path):
        pass
    assert written(tmp_path) == [["text 0", "text 1"]]


def test_monitor_compares_the_newest_rows(
    models: dict[str, Served], opened: Opened, tmp_path: Path
) -> None:
    log = opened()
    for start in (0, 3):
        log.add(texts(3, start), answers(3))
    log.close()
    model = models["sentiment"]
    samples = logged_samples(tmp_path, model.scores, model.tokens, most=2, seed=0)
    assert set(samples.new["text"].to_pylist()) <= {"text 3", "text 4", "text 5"}


def test_folder_with_other_files_of_another_model_or_in_use_is_rejected(
    opened: Opened, tmp_path: Path
) -> None:
    log = opened()
    log.add(texts(1), answers(1))
    log.close()
    with pytest.raises(ValueError, match="holds predictions of made_sentiment, not of reviews"):
        claim(str(tmp_path), "reviews")
    with (tmp_path / prediction_log.LOCK).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another refrain serve writes its log to"):
            claim(str(tmp_path), "made_sentiment")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"mine\.txt, which no prediction wrote"):
        claim(str(tmp_path), "made_sentiment")


def test_new_folder_is_private(tmp_path: Path) -> None:
    folder = claim(str(tmp_path / "log"), "reviews")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_files_that_a_killed_server_was_writing_are_removed(tmp_path: Path) -> None:
    half = tmp_path / "_refrain-part-00001-0123456789abcdef.partial"
    half.write_bytes(b"PAR1")
    claim(str(tmp_path), "reviews")
    assert not half.exists()


def test_tokens_are_joined() -> None:
    rows = pd.DataFrame({"tokens": [["a", "b"], None], "text": ["", "c d"]})
    assert texts_of(rows, 2) == ["a b", "c d"]
