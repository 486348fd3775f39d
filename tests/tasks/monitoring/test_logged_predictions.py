"""Predictions of a folder beside those on the test split."""

from pathlib import Path

import pytest

from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import write_predictions
from tasks.monitoring.drift_measures import measure_drift
from tasks.monitoring.logged_predictions import logged_samples
from tests.tasks.served import TEXTS, Served


def predicted(model: Served, folder: Path) -> Path:
    source = folder / "texts.csv"
    source.write_text("text\n" + "".join(f"{text}\n" for text in TEXTS * 5))
    target = folder / "answers"
    write_predictions(model.version, str(source), str(target), PredictSettings())
    return target


@pytest.mark.parametrize(
    ("problem", "column"), [("sentiment", "label"), ("ner", "tags"), ("translation", "target")]
)
def test_texts_answers_and_confidence_are_compared(
    models: dict[str, Served], problem: str, column: str, tmp_path: Path
) -> None:
    model = models[problem]
    folder = predicted(model, tmp_path)
    samples = logged_samples(folder, model.scores, model.tokens, most=20, seed=0)
    assert samples.new.column_names == ["text", column, "confidence"]
    assert (samples.old.num_rows, samples.new.num_rows) == (model.tokens.rows["test"], 20)
    names = {each.name for each in measure_drift(samples)}
    assert {"length", "words", "classifier"} <= names


def test_a_folder_of_another_model_is_refused(models: dict[str, Served], tmp_path: Path) -> None:
    folder = predicted(models["sentiment"], tmp_path)
    other = models["ner"]
    with pytest.raises(ValueError, match=r"predictions of made_ner.*those of made_sent"):
        logged_samples(folder, other.scores, other.tokens, 10, 0)


def test_an_empty_folder_is_refused(models: dict[str, Served], tmp_path: Path) -> None:
    model = models["sentiment"]
    with pytest.raises(
        ValueError, match=r"which refrain predict or refrain serve writes, got none"
    ):
        logged_samples(tmp_path, model.scores, model.tokens, 10, 0)
