"""Parity: a version predicts the same as its training, or it is not promoted."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from tasks.promotion import parity
from tasks.promotion.parity import check_parity, differences
from tasks.registry import mlflow_client
from tasks.registry.registered_model import download
from tasks.registry.version_facts import all_facts
from tests.tasks.served import Served


def table(score: float = 0.5, tags: object = ("O", "B-PER")) -> pd.DataFrame:
    entities = np.array([{"kind": "PER", "confidence": score}], dtype=object)
    return pd.DataFrame({"tags": [["O"], tags], "score": [0.25, 0.25], "entities": [[], entities]})


def test_lists_and_arrays_of_equal_values_are_equal() -> None:
    assert list(differences(table(), table(tags=np.array(["O", "B-PER"], dtype=object)))) == []


def test_difference_in_the_last_bit_is_reported_with_its_row() -> None:
    found = list(differences(table(), table(np.nextafter(0.5, 1).item())))
    assert found == [
        'row 2, entities: expected [{"kind": "PER", "confidence": 0.5}], '
        'found [{"kind": "PER", "confidence": 0.5000000000000001}]'
    ]


def test_different_answer_is_reported_with_its_row() -> None:
    assert list(differences(table(), table(tags=["O", "O"]))) == [
        'row 2, tags: expected ["O", "B-PER"], found ["O", "O"]'
    ]


def test_different_shape_is_a_difference() -> None:
    assert list(differences(table(), table()[["tags", "score"]])) == [
        "expected 2 rows of tags, score, entities, found 2 rows of tags, score"
    ]
    assert list(differences(table(), table()[:1])) == [
        "expected 2 rows of tags, score, entities, found 1 rows of tags, score, entities"
    ]


def test_none_and_nan_are_equal_missing_values() -> None:
    tables = [
        pd.DataFrame({"label": pd.Series([empty, "pos"], dtype=object)})
        for empty in (None, float("nan"))
    ]
    assert list(differences(*tables)) == []


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_nan_score_is_always_a_difference(wrong: float) -> None:
    (found,) = differences(table(wrong), table(wrong))
    assert found.startswith("row 2, entities: expected a finite number, found [{")
    alone = pd.DataFrame({"score": [0.5, wrong]})
    assert (
        next(differences(alone, alone)) == f"row 2, score: expected a finite number, found {wrong}"
    )


def test_version_with_equal_answers_is_measured(models: dict[str, Served]) -> None:
    made = models["generation"]  # two requests: continuations, and token costs
    measured = check_parity(made.version, made.scores, made.tokens)
    info = mlflow_client.client().get_model_version(made.version.name, made.version.version)
    tags = all_facts(info)
    assert tags["refrain.parity_rows"] == "18"
    names = (
        "rows_per_second",
        "p50_milliseconds",
        "p99_milliseconds",
        "cold_start_seconds",
        "megabytes",
    )
    assert {name: float(tags[f"refrain.{name}"]) for name in names} == pytest.approx(
        {name: measured[name] for name in names}, rel=1e-3
    )
    assert 0 < measured["p50_milliseconds"] <= measured["p99_milliseconds"]
    assert 0 < measured["megabytes"] < 1


def test_version_with_one_different_bit_raises(models: dict[str, Served], tmp_path: Path) -> None:
    made, client = models["sentiment"], mlflow_client.client()
    folder = download(made.version.name, made.version.version, tmp_path / "changed")
    path = next(folder.rglob("*.safetensors"))
    weights = load_file(path)
    bias = weights["project.bias"]
    bias[0] = np.nextafter(bias[0], np.float32(9))
    save_file(weights, path)
    changed = client.create_model_version(made.version.name, source=folder.as_uri())
    with pytest.raises(
        ValueError,
        match=r"^made_sentiment version \d+ does not answer as its training did, "
        r"so it is not promoted",
    ) as caught:
        check_parity(
            type(made.version)(made.version.name, str(changed.version), "", ""),
            made.scores,
            made.tokens,
        )
    assert ", score: expected 0." in str(caught.value)
    info = client.get_model_version(made.version.name, changed.version)
    assert "refrain.parity_rows" not in all_facts(info)
    client.delete_model_version(made.version.name, changed.version)


def test_missing_checkpoint_raises(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = models["ner"]
    home = shutil.copytree(
        made.tokens.folder.parents[1],
        tmp_path / "copy",
        ignore=shutil.ignore_patterns("checkpoints"),
    )
    monkeypatch.setenv("REFRAIN_HOME", str(home))
    with pytest.raises(
        ValueError,
        match=r"^checkpoint 0000000000000000 of made_ner is gone from the store: retrain$",
    ):
        check_parity(made.version, made.scores, made.tokens)


@pytest.mark.case("D15")
def test_test_row_above_the_request_limit_does_not_stop_a_promotion(
    models: dict[str, Served],
) -> None:
    made = models["sentiment"]
    rows = pd.DataFrame({"text": ["lumo " * 20_001]})
    (parameters,) = parity.golden_requests(made.scores)
    assert len(parity.checkpoint_answers(made.scores, made.tokens, rows, parameters)) == 1
    with pytest.raises(ValueError, match="max_characters"):
        parity.checkpoint_answers(made.scores, made.tokens, rows, {})
