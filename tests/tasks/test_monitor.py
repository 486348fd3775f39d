"""The monitor's tasks on a growing folder: state, report, metrics in MLflow, page, events."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.catalog.catalog import Dataset
from tasks import monitor
from tasks.monitoring import staleness
from tasks.monitoring.champion_inputs import Champion, find_champion
from tasks.monitoring.events import DRIFTED, NEW_ROWS, STALE
from tasks.monitoring.monitor_run import TAG
from tasks.monitoring.monitor_settings import MonitorSettings
from tasks.monitoring.report import Monitoring
from tasks.pages.monitor import monitor_text
from tasks.registry import mlflow_client
from tasks.store.artifacts import TokenSet
from tasks.task_states import outcome
from tests.tasks.growing import ingest, of_files, write
from tests.tasks.trained import registered, trained

pytestmark = pytest.mark.usefixtures("mlflow_store")
WORDS = np.array([f"lumo{i}" for i in range(40)])
SCORE = {"value": 50.0, "low": 40.0, "high": 60.0}


def rows(num: int, seed: int, prefix: str = "") -> list[tuple[str, str]]:
    """Rows of a few words and a number of their own, with one of two labels."""
    random = np.random.default_rng(seed)
    return [
        (f"{' '.join(prefix + word for word in random.choice(WORDS, 6))} {number}", label)
        for number, label in zip(
            random.integers(10**8, 10**9, num), random.choice(["pos", "neg"], num), strict=True
        )
    ]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    write(tmp_path / "1.csv", rows(400, 1))
    return of_files(tmp_path, all="*.csv")


@pytest.fixture
def champion(dataset: Dataset) -> Champion:
    """A champion of the first rows."""
    snapshot = ingest(dataset)
    scores = trained(snapshot)
    version = registered(scores, "champion")
    tokens = TokenSet.find("made", scores.tokens)
    assert tokens
    return Champion(version, snapshot, tokens, scores)


@pytest.fixture
def sent(champion: Champion, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the events that are sent; the champion scores new rows as its test split."""
    events: list[str] = []
    score = {"metric": "accuracy", "rows": 100, "new": SCORE, "test": SCORE}
    monkeypatch.setattr(monitor, "find_champion", lambda name: champion)
    monkeypatch.setattr(monitor, "score_on", lambda *rest: score)
    for module in (monitor, staleness):
        monkeypatch.setattr(module, "announce", lambda event, name, **more: events.append(event))
    return events


def watched(dataset: Dataset, **settings: Any) -> Any:
    """The state or the report that the tasks end with."""
    fresh = outcome(monitor.look_at_source.fn("made", str(dataset.file)))
    chosen = MonitorSettings(**settings)
    return monitor.compare_with_champion.fn(fresh, chosen, str(dataset.file))


def test_rows_like_those_before_do_not_drift(
    dataset: Dataset, sent: list[str], tmp_path: Path
) -> None:
    write(tmp_path / "2.csv", rows(300, 2))
    found = watched(dataset)
    assert isinstance(found, Monitoring)
    assert (found.num_new, found.drifted) == (300, [])
    assert 200 < found.compared <= 300  # of each split as many as the smaller side has
    assert sent == []
    assert watched(dataset).name == "Unchanged"


def test_rows_of_other_words_drift_with_one_event_and_stay_drifted(
    dataset: Dataset, sent: list[str], tmp_path: Path
) -> None:
    write(tmp_path / "2.csv", rows(300, 2, prefix="x"))
    states = [watched(dataset, trigger_rows=300) for _ in range(2)]
    assert [state.name for state in states] == ["Drifted", "Drifted"]
    assert {"words", "unknown words", "classifier"} <= set(outcome(states[0]).drifted)
    assert "drifted: " in states[0].message
    assert sent == [DRIFTED, NEW_ROWS]


def test_few_new_rows_are_counted_and_not_compared(
    dataset: Dataset, sent: list[str], tmp_path: Path
) -> None:
    write(tmp_path / "2.csv", rows(50, 2, prefix="x"))
    found = watched(dataset)
    assert (found.num_new, found.measures) == (50, [])
    assert "too few to compare" in found.verdict


def test_a_known_delivery_ends_in_a_warning_state_with_an_event(
    dataset: Dataset, sent: list[str], tmp_path: Path
) -> None:
    write(tmp_path / "2.csv", rows(400, 1))
    found = watched(dataset)
    assert found.name == "Stale"
    assert "2.csv, and all rows were known before" in found.message
    assert sent == [STALE]


def test_without_new_rows_the_report_says_so(dataset: Dataset, sent: list[str]) -> None:
    assert watched(dataset).verdict == "no rows are newer than the snapshot of champion 1"


def test_without_a_champion_the_report_says_so(dataset: Dataset) -> None:
    found = watched(dataset)
    assert found.verdict == "there is no champion yet"


def test_a_champion_without_its_token_set_is_an_error_with_the_remedy(champion: Champion) -> None:
    version = registered(champion.scores, "champion")  # its tags name no token set
    with pytest.raises(ValueError, match=rf"made version {version} is champion, and its token set"):
        find_champion("made")


def test_each_run_adds_a_point_to_one_mlflow_run(
    dataset: Dataset, sent: list[str], tmp_path: Path
) -> None:
    watched(dataset)
    write(tmp_path / "2.csv", rows(300, 2))
    watched(dataset)
    client = mlflow_client.client()
    (run,) = client.search_runs([mlflow_client.experiment("made")], f"tags.`{TAG}` = '1'")
    assert run.info.status == "FINISHED"
    points = client.get_metric_history(run.info.run_id, "new_rows")
    assert [(point.step, point.value) for point in points] == [(1, 0), (2, 300)]
    assert "rows/words_psi" in run.data.metrics


def test_the_page_has_the_verdict_first_and_each_feature_in_a_line(
    dataset: Dataset, sent: list[str], tmp_path: Path
) -> None:
    write(tmp_path / "2.csv", rows(300, 2, prefix="x"))
    fresh = outcome(monitor.look_at_source.fn("made", str(dataset.file)))
    found = outcome(monitor.compare_with_champion.fn(fresh, MonitorSettings(), str(dataset.file)))
    lines = monitor_text(found, fresh).splitlines()
    assert lines[2].startswith("**300 rows are newer than the snapshot of champion 1; drifted: ")
    assert any(line.startswith("| unknown words | stability index |") for line in lines)
    assert "accuracy 50.0 (40.0 to 60.0)" in monitor_text(found, fresh)
