"""The figures of a run: which ones a problem has, and what they count."""

import re

import pandas as pd
import pytest

from rnn_models.evaluation.slices import Slice
from tasks.figures.answers import precision_and_recall, reliability_figure
from tasks.figures.scores import classes_figure
from tasks.figures.style import drawn
from tasks.pages import run_page
from tasks.pages.run_page import run_figures, snapshot_scores
from tests.tasks.pages.test_model_card import decided
from tests.tasks.served import Served

OF_PROBLEM = {
    "sentiment": {"classes", "confusion", "reliability", "precision_recall"},
    "ner": {"classes", "reliability", "transitions"},
    "translation": {"attention"},
    "regression": set(),
    "generation": set(),
}


@pytest.mark.parametrize("problem", OF_PROBLEM)
def test_a_problem_has_the_figures_that_make_sense_for_its_answers(
    models: dict[str, Served], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = models[problem]
    read = run_page.read_outputs
    monkeypatch.setattr(run_page, "read_outputs", lambda scores: read(scores).assign(score=0.9))
    found = dict(run_figures(made.scores, made.tokens, made.checkpoint, decided(made)))
    assert OF_PROBLEM[problem] <= set(found)
    assert set(found) <= OF_PROBLEM[problem] | {"parts"}
    for name, figure in found.items():
        assert figure.startswith("<svg"), name
        assert "<text" in figure, name


def test_precision_falls_and_recall_rises_as_lower_scores_count() -> None:
    outputs = pd.DataFrame(
        {
            "reference": ["a", "a", "b", "a"],
            "output": ["a", "b", "a", "a"],
            "score": [0.9, 0.8, 0.7, 0.6],
        }
    )
    precision, recall = precision_and_recall(outputs, "a")
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])


def test_a_score_that_is_too_high_is_off_by_the_difference() -> None:
    right = ["a"] * 3 + ["b"]
    outputs = pd.DataFrame({"reference": right, "output": ["a"] * 4, "score": [0.95] * 4})
    assert "off by 20.0 points" in drawn(reliability_figure, outputs)


def test_a_class_stands_beside_the_champions() -> None:
    classes = [
        Slice("label neg", 40, 20.0, 10.0, 30.0, True),
        Slice("label pos", 4, 70, 9, 90, False),
    ]
    figure = classes_figure(classes, {"label neg": 35.0}, "label")
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "D"]
    assert [line.get_xydata().tolist() for line in marks] == [[[35.0, 1.0]]]
    assert re.findall(">(label [^<]*)<", drawn(classes_figure, classes, {}, "label")) == [
        "label pos, 4 (few)",
        "label neg, 40",
    ]


def test_a_learning_curve_has_a_point_for_each_snapshot_that_the_store_has(
    models: dict[str, Served],
) -> None:
    made = models["sentiment"]
    (found,) = snapshot_scores("made_sentiment", "accuracy")
    assert (found.version, found.num_rows, found.value) == (made.version.version, 18, 50.0)
