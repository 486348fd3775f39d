"""Every row of the quality benchmark can run, and its table marks unmeasured figures."""

import pytest

from benchmarks.lib.figures import RESULTS, read
from benchmarks.quality.__main__ import CATALOGS, table
from benchmarks.quality.protocols import Row
from benchmarks.quality.rows import ROWS
from benchmarks.quality.run import tokenised_bleu
from data.catalog.catalog import find_dataset
from rnn_models.evaluation.metrics import METRICS
from rnn_models.problem import find_problem
from tasks.ingestion.catalogs import catalog_paths
from tasks.settings import changes, read_settings


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_quality_row_names_a_dataset_of_its_problem_and_a_metric(row: Row) -> None:
    assert find_dataset(row.dataset, *catalog_paths(CATALOGS)).problem == row.problem
    assert row.metric in (*METRICS, "tokenised_bleu", "nats_per_character")
    assert not row.beside or row.beside in ROWS


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_settings_of_a_quality_row_are_valid(row: Row) -> None:
    training = read_settings(row.settings).training
    assert find_problem(row.problem).defaults.with_changes(changes(training))


def test_every_figure_is_in_one_row_only() -> None:
    figures = [name for row in ROWS.values() for name in (row.figure, row.minutes_figure) if name]
    assert len(set(figures)) == len(figures) == 10


def test_table_in_the_document_matches_the_figures() -> None:
    assert (RESULTS / "quality.md").read_text() == table()


def test_row_without_a_figure_is_marked() -> None:
    known = (
        {item.figure for item in read("quality")} if (RESULTS / "quality.json").exists() else set()
    )
    beside = {row.beside for row in ROWS.values() if row.figure in known}
    missing = [row for row in ROWS.values() if row.figure not in known and row.name not in beside]
    assert table().count("| not measured |") == len(missing)
    assert table().count("| last in the note of ") == len(beside - {""})


def test_bleu_of_tokens_splits_no_token_of_the_publisher() -> None:
    metric = tokenised_bleu()
    texts = ["ein mann mit saftig-grünem hut .", "zwei hunde laufen im gras"]
    assert metric.score(metric.statistics(texts, texts).sum(0, keepdims=True))[0] == pytest.approx(
        100
    )
    assert (
        metric.statistics(texts, texts)[0, 0] == 6
    )  # tokens of the first, its compound one of them
    assert "tok:none" in metric.signature()
