"""The card of a version: its content for each problem, its calls, and when it is written."""

import json
import re
import shlex
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnn_models.evaluation.slices import Slice
from rnn_models.problem import find_problem
from tasks.inference.predict_text import predict_text
from tasks.pages.card_contents import Card
from tasks.pages.model_card import MAX_CHARACTERS, card_text, data_tags, keep_card, spaced
from tasks.promotion.rule import tags_of
from tasks.register import register
from tasks.registry import mlflow_client
from tasks.registry.registered_model import Loaded
from tasks.registry.version_facts import keep_facts
from tasks.scoring.slices import SplitFacts
from tasks.serving.predict_table import declared_parameters
from tasks.settings import PromotionSettings
from tasks.store.artifacts import Promotion
from tasks.task_states import directly
from tests.tasks.growing import of_files
from tests.tasks.served import TABLES, Served, served

PHRASES = {
    "sentiment": (
        "one label out",
        "It gives one of neg, pos to any text",
        "| label neg | 12 |",
        "majority",
    ),
    "regression": (
        "one number out",
        "It gives a number to any text",
        "mean absolute error, lower is better",
        "pooling mean and max",
    ),
    "ner": (
        "a tag for each out",
        "It finds LOC, PER and nothing else",
        "| entities LOC | 3 |",
        "CRF, tags BIO",
    ),
    "translation": (
        "another text out",
        "It may leave out parts of a text",
        "are in no training text",
        "beam of 3",
    ),
    "generation": (
        "the beginning of a text in",
        "It draws texts by chance",
        "| label no | 6 |",
        "lower is better",
    ),
}


def card_of(made: Served) -> str:
    return str(
        mlflow_client.client()
        .get_model_version(made.version.name, made.version.version)
        .description
    ).replace("&emsp;", "")


def decided(made: Served, *, champion: str = "") -> Promotion:
    """A made-up decision on a version."""
    return Promotion(
        dataset=made.version.name,
        digest="decided",
        version=made.version.version,
        is_promoted=True,
        metric=made.scores.headline,
        reason="promoted: better | by far",
        challenger_score=50.0,
        champion_version=champion,
        champion_score=41.5 if champion else None,
        scores=made.scores.digest,
        mlflow_run="",
        settings=vars(PromotionSettings()),
    )


def made_card(made: Served, slices: list[Slice], **tags: str) -> Card:
    return Card(
        version=made.version,
        checkpoint=made.checkpoint,
        snapshot=made.tokens.snapshot_of(),
        tokens=made.tokens,
        scores=made.scores,
        facts=SplitFacts(9, 0.25, "words", [], slices),
        tags=tags,
        trained="2026-01-02",
    )


@pytest.mark.parametrize("problem", TABLES)
def test_registered_version_has_a_card(models: dict[str, Served], problem: str) -> None:
    made = models[problem]
    text, num = card_of(made), TABLES[problem].num_rows
    always = (
        f"version {made.version.version}",
        f"| rows | {num} train, {num} validation, {num} test |",
        "(40.0",
        "to 60.0",
        "| licence of the data | not stated |",
        "Not decided on yet.",
        "## Where it is weak",
        "## Limits",
        f"snapshot `{made.tokens.snapshot}`",
    )
    assert [
        phrase
        for phrase in (*always, *PHRASES[problem])
        if phrase not in text.replace("40.000", "40.0").replace("60.000", "60.0")
    ] == []
    assert re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE) == list(
        declared_parameters(find_problem(problem).output)
    )


@pytest.mark.parametrize("problem", TABLES)
def test_calls_on_the_card_are_answered(models: dict[str, Served], problem: str) -> None:
    text, version = card_of(models[problem]), models[problem].version
    python = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    *lines, call = python.strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    answer = eval(call, names)
    curl, command = (
        re.findall(rf"^{word} .*$", text, flags=re.MULTILINE)[0]
        for word in ("curl", "refrain predict")
    )
    body = json.loads(shlex.split(curl)[-1])
    again = Loaded.of(version.name, version.version).predict(
        pd.DataFrame(body["dataframe_records"]), body["params"]
    )
    pd.testing.assert_frame_equal(answer, again)
    _, _, model, words, *options = shlex.split(command)
    predicted = predict_text(model, words, {}, label=options[1] if options else None)
    assert predicted.values[answer.columns[0]] == answer.iloc[0, 0]


def test_card_is_written_again_once_after_the_decision(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = served("sentiment")
    written: list[str] = []
    describe = mlflow_client.describe_version
    monkeypatch.setattr(
        mlflow_client, "describe_version", lambda *args: (written.append(args[2]), describe(*args))
    )
    directly(register, made.checkpoint, made.tokens, made.scores)
    assert written == []
    decision = decided(made, champion="7")
    decision.folder.mkdir(parents=True)
    keep_card(made.version, made.tokens, made.scores, decision)
    keep_facts(made.version.name, made.version.version, tags_of(decision))
    decision.commit()
    assert len(written) == 1
    assert "Decision: promoted: better \\| by far" in card_of(made)
    assert "| version 1 | champion then, version 7 | majority | bag of words |" in card_of(made)
    assert "| accuracy | **50.0 (40.0 to 60.0)** | 41.5 | 10.0 | 10.0 |" in card_of(made)
    directly(register, made.checkpoint, made.tokens, made.scores)
    assert len(written) == 1


def test_card_shows_newer_scores(mlflow_store: Path) -> None:
    made = served("ner")
    newer = replace(
        made.scores,
        digest="newer",
        metrics=made.scores.metrics
        | {"span_f1": {"value": 77.7, "low": 70.0, "high": 80.0, "signature": ""}},
    )
    made.scores.folder.rename(newer.folder)
    directly(register, made.checkpoint, made.tokens, newer)
    assert "**77.7 (70.0 to 80.0)**" in card_of(made)


def test_card_shows_data_and_licence_of_the_catalog(
    tmp_path: Path, models: dict[str, Served]
) -> None:
    catalog = str(of_files(tmp_path, all="rows.csv").file)
    tags = data_tags("made", catalog)
    assert tags == {
        "refrain.data.language": "xx",
        "refrain.data.licence": "ours",
        "refrain.data.origin": "made for the tests",
        "refrain.data.source": "files",
    }
    text = card_text(made_card(models["sentiment"], [], **tags))
    assert "| licence of the data | ours |" in text
    assert "| data | made for the tests (source: files), snapshot" in text
    assert data_tags("made", None) == {}  # the catalog that had it is not named any more


def test_card_names_weak_slices_with_enough_examples_only(
    models: dict[str, Served],
) -> None:
    slices = [
        Slice("label neg", 40, 20.0, 10.0, 30.0, True),
        Slice("label pos", 4, 0.0, 0.0, 0.0, False),
    ]
    lines = card_text(made_card(models["sentiment"], slices)).splitlines()
    assert "**label neg**" in lines
    assert "| label neg | 40 | 20.0 (10.0 to 30.0) | **weak** |" in lines
    assert "| label pos | 4 | 0.0 (0.0 to 0.0) | too few |" in lines
    assert "No part is weak beyond chance." in card_text(made_card(models["sentiment"], slices[1:]))


def test_markdown_in_labels_breaks_no_table(models: dict[str, Served]) -> None:
    slices = [
        Slice("label a|b\n| c |", 40, 20.0, 10.0, 30.0, True),
        Slice("label `|`", 40, 50.0, 10.0, 90.0, False),
    ]
    tags = {
        "refrain.data.licence": "ours | theirs",
        "refrain.data.about": "# texts\n| x |",
        "refrain.data.origin": "a\\|b",
    }
    made = made_card(models["sentiment"], slices, **tags)
    text = card_text(replace(made, promotion=decided(models["sentiment"], champion="7")))
    tables = [
        list(lines)
        for is_row, lines in groupby(text.splitlines(), lambda line: line.startswith("|"))
        if is_row
    ]
    assert [
        {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table} for table in tables
    ] == [{3}, {7}, {5}, {6}]
    assert [line for line in text.splitlines() if line.startswith("# ")] == [
        "# made\\_sentiment, version 1"
    ]


def test_card_of_many_classes_fits_into_the_limit_of_mlflow(
    models: dict[str, Served],
) -> None:
    slices = [Slice(f"label {'very ' * 20}{i}", 40, 20.0, 10.0, 30.0, True) for i in range(200)]
    text = card_text(
        made_card(models["sentiment"], slices, **{"refrain.data.about": "long " * 300})
    )
    assert len(text) <= MAX_CHARACTERS
    assert text.endswith("\n")
    assert "| 188 more, 188 of them weak |" in text
    assert "refrain predict" in text


def test_columns_of_a_table_are_apart_where_there_is_room() -> None:
    table = "| a | b \\| c |\n|---|---:|\n| 1 | 2 |"
    assert spaced(table) == "| a&emsp; | b \\| c |\n|---|---:|\n| 1&emsp; | 2 |"
    assert spaced(f"{table}\n{'x' * MAX_CHARACTERS}").startswith(table)


def test_card_of_texts_scored_as_one_has_no_weak_slice(models: dict[str, Served]) -> None:
    assert "The test texts are scored as one, so no part of them has a score." in card_text(
        made_card(models["generation"], [])
    )
