"""The report: exit status by the worst finding, each finding with its remedy, within 80 columns."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from refrain.doctor import report as reports
from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.report import CHECKS, Report, run_check
from refrain.doctor.screen import show_report
from refrain.doctor.surroundings import Surroundings, read_up
from tests.refrain.commands.test_data import Screen, screen

__all__ = ["screen"]
FIRE = Finding(ERROR, "the scheduler [of Prefect] failed", "install another version")
PAUSED = Finding(WARNING, "the schedule nightly is paused", "switch it on")


@pytest.mark.parametrize(
    ("found", "status"), [([], 0), ([PAUSED], 5), ([PAUSED, FIRE], 1)], ids=["none", "one", "both"]
)
def test_the_exit_status_follows_the_worst_finding(found: list[Finding], status: int) -> None:
    assert Report({"logs": found, "disk": []}, []).status == status


def test_a_check_that_fails_is_a_finding_of_its_own() -> None:
    def broken(seen: Surroundings) -> Iterator[Finding]:
        yield PAUSED
        raise OSError("no answer")

    found = run_check(broken, Surroundings())
    assert [each.level for each in found] == [WARNING, ERROR]
    assert found[1].text == "this could not be checked: no answer"


def test_each_finding_is_shown_with_its_remedy(screen: Screen) -> None:
    runs = [{"time": "2026-11-29T02:00:00Z", "deployment": "reviews"}]
    show_report(Report({"logs": [FIRE], "disk": []}, runs))
    output = screen.capsys.readouterr().out
    assert "ok       disk" in output
    assert "error    logs: the scheduler [of Prefect] failed" in output
    assert "do: install another version" in output
    assert "2026-11-29 02:00  reviews" in output
    assert "1 errors, 0 warnings" in output


def test_an_empty_store_is_healthy(
    screen: Screen, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "CHECKS", {n: c for n, c in CHECKS.items() if n != "ports"})
    words = ("doctor", "--json", "--disk-gb", "0", "--memory-gb", "0")
    report = json.loads(screen.says(*words))
    assert report["status"] == "healthy"
    assert set(report["checks"]) == set(CHECKS) - {"ports"}
    assert not (store / "mlflow.db").exists()


def test_an_orderly_end_of_up_differs_from_a_kill(store: Path) -> None:
    store.mkdir()
    (store / "up.json").write_text('{"process": 12, "addresses": {"MLflow UI": "http://h:1"}}')
    assert (read_up().process, read_up().is_running, read_up().mlflow) == (12, False, "http://h:1")
    (store / "up.json").write_text('{"process": null, "addresses": {}}')
    assert (read_up().process, read_up().prefect) == (None, "")
