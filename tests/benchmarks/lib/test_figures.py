"""Figures belong to a commit: changed code is refused, changed results and documents are not."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.lib import figures


def git(folder: Path, *words: str) -> None:
    named = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "old.json").write_text("[]\n")
    (tmp_path / "model.py").write_text("WIDTH = 1\n")
    (tmp_path / "README.md").write_text("no figures\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.setattr(figures, "RESULTS", results)
    return tmp_path


def make_figure() -> figures.Figure:
    return figures.figure(
        "speed", 2.0, unit="rows/s", goal=1, better="higher", command="true", note=""
    )


def test_figures_of_a_commit_are_written(repository: Path) -> None:
    figures.write("made", [make_figure()])
    (item,) = json.loads((repository / "benchmarks/results/made.json").read_text())
    assert item["figure"] == "speed"


def test_a_figure_carries_date_commit_processor_and_threads(repository: Path) -> None:
    item = make_figure()
    assert all((item.date, item.commit, item.processor, item.threads))
    assert not item.commit.endswith("-dirty")


def test_figures_of_changed_code_raise(repository: Path) -> None:
    (repository / "model.py").write_text("WIDTH = 2\n")
    with pytest.raises(SystemExit, match=r"1 files differ from it \(model.py\): commit or stash"):
        figures.write("made", [make_figure()])
    assert not (repository / "benchmarks/results/made.json").exists()


def test_figures_with_an_untracked_file_raise(repository: Path) -> None:
    (repository / "layer.py").write_text("")
    with pytest.raises(SystemExit, match=r"layer\.py"):
        figures.write("made", [make_figure()])


def test_changed_results_and_documents_do_not_stop_a_benchmark(repository: Path) -> None:
    (repository / "benchmarks/results/old.json").write_text("[ ]\n")
    (repository / "README.md").write_text("a table\n")
    figures.write("made", [make_figure()])
    assert (repository / "benchmarks/results/made.json").exists()


def test_result_without_threads_is_still_read(repository: Path) -> None:
    item = {key: value for key, value in vars(make_figure()).items() if key != "threads"}
    (repository / "benchmarks/results/made.json").write_text(json.dumps([item]))
    assert figures.read("made")[0].threads is None
