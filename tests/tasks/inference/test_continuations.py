"""Texts generated from nothing, a label or a prompt, and the costs of their tokens."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from data.rows.splits import SPLITS
from data.rows.streams import Stream
from data.text.settings import default_settings
from rnn_models.batching.batch import Examples, Ragged
from rnn_models.checkpoints.checkpoint import save_model, weights_of
from rnn_models.problem import Sizes, find_problem
from rnn_models.problems.generation import token_nats
from rnn_models.settings import TrainSettings
from tasks.scoring.samples import faults_of
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import TokenSet
from tasks.store.token_sets import sizes_of, write_token_set

TEXTS = ["lumo sela", "nuri, grak!", "dosh vek\nlumo"] * 3
LABELLED = pa.table({"label": ["so", "no", "so"] * 3, "text": TEXTS})
ALONE = LABELLED.select(["text"])


def predictor(
    store: Path, table: pa.Table = LABELLED, kind: str = "characters", **changes: object
) -> Predictor:
    """An untrained model and its vocabularies, from one folder."""
    tokens = TokenSet(
        dataset="made",
        digest="1",
        problem="generation",
        tokenizer=kind,
        snapshot="0",
        rows={},
        sizes={},
        limit=0,
        test_split="0",
        settings={},
    )
    tokens.folder.mkdir(parents=True)
    chosen = default_settings(kind, is_generated=True)
    encoder, _ = write_token_set(
        tokens.folder, dict.fromkeys(SPLITS, Stream(lambda: iter([table]))), kind, chosen
    )
    sizes, problem = Sizes(**sizes_of(encoder)), find_problem("generation")
    settings = TrainSettings(embedding_size=8, hidden_size=8, sample_length=30, seed=2, **changes)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = problem.build(sizes, settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    save_model(tokens.folder, weights_of(model), problem, sizes, settings)
    return Predictor(tokens.folder)


def test_continuation_starts_with_the_prompt(store: Path) -> None:
    prompts = ["", "lumo ", "nuri, grak! dosh\nvek", "?"]  # of the last no character is known
    texts, scores = predictor(store).continue_texts(prompts, ["so", None, "no", "so"])
    assert all(text.startswith(beginning) for text, beginning in zip(texts, prompts, strict=True))
    assert all(
        len(text) <= len(beginning) + 30 for text, beginning in zip(texts, prompts, strict=True)
    )
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("kind", ["words", "bpe", "unigram"])
def test_continuation_works_with_subword_tokenizers(store: Path, kind: str) -> None:
    table = pa.table({"text": ["lumo sela nuri", "grak dosh vek", "lumo grak"] * 9})
    texts, _ = predictor(store, table, kind).continue_texts(["lumo sela", ""])
    assert texts[0].startswith("lumo sela")
    assert texts[0] != "lumo sela"


def test_sampling_parameters_apply_to_one_request_only(store: Path) -> None:
    made = predictor(store)
    plain = made.continue_texts(["lumo"] * 5)
    cold = made.continue_texts(["lumo"] * 5, None, {"temperature": 0.0})[0]
    assert len(set(cold)) == 1 < len(set(plain[0]))
    short = made.continue_texts(["lumo"] * 5, None, {"sample_length": 2})[0]
    assert all(whole.startswith(text) for whole, text in zip(plain[0], short, strict=True))
    assert made.continue_texts(["lumo"] * 5, None, {"seed": 9})[0] != plain[0]
    assert made.continue_texts(["lumo"] * 5) == plain == made.predict(["lumo"] * 5)


def test_unknown_label_raises_with_the_known_labels(store: Path) -> None:
    with pytest.raises(ValueError, match="label: there is no 'yes', expected one of no, so"):
        predictor(store).continue_texts([""], ["yes"])


def test_label_raises_for_a_model_without_labels(store: Path) -> None:
    made = predictor(store, ALONE)
    assert len(made.continue_texts(["", ""])[0]) == 2
    with pytest.raises(
        ValueError, match="label: there is no 'so', this model was trained without labels"
    ):
        made.continue_texts([""], ["so"])


def test_token_costs_of_a_text_equal_those_of_its_row(store: Path) -> None:
    made = predictor(store)
    numbers = {"so": 1, "no": 0}
    source = Ragged.of([[numbers[label]] for label in LABELLED["label"].to_pylist()])
    rows = Ragged(*made.encoder.target.encode(TEXTS))  # type: ignore[arg-type]
    expected = token_nats(made.model, Examples(source, rows))
    found = made.token_costs(TEXTS, LABELLED["label"].to_pylist())
    assert [len(costs) for costs in found] == [len(text) + 1 for text in TEXTS]
    assert np.concatenate(found) == pytest.approx(np.concatenate(expected))


def test_token_costs_treat_an_unknown_label_as_none(store: Path) -> None:
    made = predictor(store)
    assert (
        made.token_costs(["lumo"], ["yes"])
        == made.token_costs(["lumo"], [math.nan])
        == made.token_costs(["lumo"])
    )


def test_continuation_of_running_text_spans_lines(store: Path) -> None:
    made = predictor(
        store,
        pa.table({"text": ["lumo", "sela", "nuri"] * 5}),
        joined_texts=True,
        bidirectional=False,
    )
    texts, _ = made.continue_texts(["lumo\nse", "lumo\n", ""])
    assert [text[:7] for text in texts[:1]] == ["lumo\nse"]
    assert texts[1].startswith("lumo\n")
    assert any("\n" in text[7:] for text in texts)  # an end of a line does not end the text
    assert sum(map(len, made.token_costs(["lumo", "sela"]))) == 10


def test_samples_are_checked_by_the_rules_of_their_format() -> None:
    tune = "X:1\nM:2/4\nL:1/8\nK:G\nGABc|"
    found = faults_of([tune, "lumo"], "abc")
    assert found is not None
    assert (found[0], found[1][0]) == ([], "line 1: expected X: and a number, got 'lumo'")
    assert faults_of([tune], "csv") is None
    assert faults_of([tune], "") is None


def test_samples_are_not_checked_without_the_library(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "music21", None)
    assert faults_of(["X:1\nM:2/4\nL:1/8\nK:G\nGABc|"], "abc") is None
    assert "pip install 'refrain-rnn[music]'" in caplog.text
