"""Requests and answers of a model, as tables."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnn_models.outputs.tags import without_entities
from rnn_models.problem import find_problem
from tasks.serving.packing import pack_model
from tasks.serving.predict_table import (
    answer,
    checked,
    defaults_of,
    texts_of,
    token_rows_of,
)
from tasks.serving.predictor import Predictor
from tests.tasks.served import TABLES, TEXTS, Served

Load = Callable[[str], Predictor]


@pytest.fixture
def load(models: dict[str, Served], tmp_path: Path) -> Load:
    """Read the model of a problem."""

    def read(problem: str) -> Predictor:
        made = models[problem]
        return Predictor(pack_model(made.checkpoint, made.tokens, tmp_path / problem))

    return read


def of(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"text": list(texts)}, dtype=object)


def test_label_has_the_highest_probability_and_equals_the_single_prediction(load: Load) -> None:
    predictor = load("sentiment")
    found = answer(predictor, of(*TEXTS), {})
    assert all(math.isclose(sum(row.values()), 1, rel_tol=1e-6) for row in found["probabilities"])
    assert [max(row, key=row.get) for row in found["probabilities"]] == found["label"].tolist()
    labels, scores = predictor.predict(TEXTS)
    assert (found["label"].tolist(), found["score"].tolist()) == (labels, scores)


def test_label_below_the_threshold_is_omitted(load: Load) -> None:
    predictor = load("sentiment")
    score = answer(predictor, of("lumo"), {})["score"].iloc[0]
    assert answer(predictor, of("lumo"), {"threshold": score})["label"].tolist() != [None]
    assert answer(predictor, of("lumo"), {"threshold": np.nextafter(score, 1).item()})[
        "label"
    ].tolist() == [None]


def marked(predictor: Predictor) -> Predictor:
    """A tagger that finds a name in about half of the tokens."""
    bias = dict(predictor.model.named_parameters())["project.bias"]
    bias.data[predictor.encoder.labels.index("B-PER")] += 4
    return predictor


def test_entity_offsets_match_its_text_and_confidence_is_a_probability(load: Load) -> None:
    texts = ["ta  Kalo\tBren", "Ursa"]
    found = answer(marked(load("ner")), of(*texts), {})
    assert any(found["entities"])
    for text, tags, entities in zip(texts, found["tags"], found["entities"], strict=True):
        assert len(tags) == len(text.split())
        assert [tag[2:] for tag in tags if tag[0] == "B"] == [entity["kind"] for entity in entities]
        assert all(
            text[e["start"] : e["stop"]] == e["text"] and 0 < e["confidence"] <= 1 for e in entities
        )


def test_tokens_give_the_same_answer_as_their_text(load: Load) -> None:
    predictor, rows = marked(load("ner")), TABLES["ner"]["tokens"].to_pylist()
    by_tokens = answer(predictor, pd.DataFrame({"tokens": rows, "text": "not read"}), {})
    by_text = answer(predictor, of(*(" ".join(row) for row in rows)), {})
    pd.testing.assert_frame_equal(by_tokens, by_text)


def test_a_token_with_a_space_stays_one_token(load: Load) -> None:
    found = answer(marked(load("ner")), pd.DataFrame({"tokens": [["ta", "Kalo Bren"]]}), {})
    assert len(found["tags"].iloc[0]) == 2
    assert {"ta Kalo Bren"[e["start"] : e["stop"]] for e in found["entities"].iloc[0]} <= {
        "ta",
        "Kalo Bren",
        "ta Kalo Bren",
    }


def test_entity_below_the_threshold_is_in_neither_column(load: Load) -> None:
    predictor, rows = marked(load("ner")), of("ta Kalo Bren lumo Ursa")
    every = answer(predictor, rows, {})["entities"].iloc[0]
    limit = sorted(entity["confidence"] for entity in every)[1]
    found = answer(predictor, rows, {"threshold": limit})
    assert found["entities"].iloc[0] == [
        entity for entity in every if entity["confidence"] >= limit
    ]
    assert (
        sum(tag[0] == "B" for tag in found["tags"].iloc[0])
        == len(found["entities"].iloc[0])
        == len(every) - 1
    )


def test_tags_of_an_omitted_entity_are_o() -> None:
    tags = ["B-PER", "I-PER", "O", "B-LOC", "B-PER", "I-PER"]
    assert without_entities(tags, [True, False, True]) == [
        "B-PER",
        "I-PER",
        "O",
        "O",
        "B-PER",
        "I-PER",
    ]
    assert without_entities(tags, [False, True, False]) == ["O", "O", "O", "B-LOC", "O", "O"]


def test_translations_are_as_many_as_requested_starting_with_the_best(load: Load) -> None:
    predictor = load("translation")
    found = answer(predictor, of("lumo sela", "grak"), {"num_best": 3})
    assert [len(row) for row in found["n_best"]] == [3, 3]
    assert [row[0] for row in found["n_best"]] == found[["target", "score"]].to_dict("records")
    one = answer(predictor, of("lumo sela", "grak"), {})
    assert [row[:1] for row in found["n_best"]] == one["n_best"].tolist()
    greedy = answer(predictor, of("lumo sela", "grak"), {"beam_width": 1})
    assert greedy["target"].tolist() == [
        best[0][0] for best in predictor.predict_best(["lumo sela", "grak"], {"beam_width": 1})
    ]


def test_generated_text_is_prompt_plus_continuation(load: Load) -> None:
    rows = pd.DataFrame({"text": ["", "lumo ", "se"], "label": ["so", None, "no"]})
    found = answer(load("generation"), rows, {"seed": 3, "sample_length": 5})
    assert (rows["text"] + found["continuation"]).tolist() == found["text"].tolist()
    assert found["continuation"].str.len().max() <= 5
    assert found["score"].between(0, 1).all()


def test_language_model_returns_token_costs_on_request(load: Load) -> None:
    predictor = load("generation")
    assert answer(predictor, of("lumo"), {"judge": True})["nats"].tolist() == predictor.token_costs(
        ["lumo"]
    )


@pytest.mark.parametrize("problem", TABLES)
def test_empty_table_has_an_empty_answer(load: Load, problem: str) -> None:
    predictor = load(problem)
    full, none = answer(predictor, of("lumo"), {}), answer(predictor, of(), {})
    assert (list(none.columns), len(none)) == (list(full.columns), 0)


def test_concurrent_calls_each_use_their_own_parameters(load: Load) -> None:
    predictor = load("translation")

    def ask(width: int) -> list[int]:
        return [
            len(row)
            for row in answer(predictor, of("lumo sela", "grak"), {"num_best": width})["n_best"]
        ]

    widths = [1, 3, 2] * 20
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, widths)) == [[width, width] for width in widths]
    assert predictor.model.settings.num_best == 1


@pytest.mark.parametrize(
    ("problem", "parameters", "expected"),
    [
        ("sentiment", {"threshold": 1.5}, "threshold must be at most 1, got 1.5"),
        ("sentiment", {"threshold": math.nan}, "threshold must be at least 0, got nan"),
        (
            "sentiment",
            {"beam_width": 2},
            "a model that predicts label has no parameter beam_width, "
            "only threshold, max_characters",
        ),
        ("translation", {"beam_width": 0}, "beam_width must be at least 1, got 0"),
        ("translation", {"beam_width": 101}, "beam_width must be at most 100, got 101"),
        ("translation", {"num_best": 6}, "num_best must be at most beam_width 5, got 6"),
        ("translation", {"length_penalty": -1.0}, "length_penalty must be at least 0, got -1.0"),
        ("generation", {"temperature": -0.1}, "temperature must be at least 0, got -0.1"),
        ("generation", {"top_k": -1}, "top_k must be at least 0, got -1"),
        ("generation", {"top_p": 1.1}, "top_p must be at most 1, got 1.1"),
        ("generation", {"seed": -1}, "seed must be at least 0, got -1"),
        (
            "generation",
            {"sample_length": 10**6},
            "sample_length must be at most 100000, got 1000000",
        ),
        ("generation", {"judge": 1}, "judge must be of type bool, got 1"),
    ],
)
def test_parameter_out_of_bounds_raises_with_its_bound(
    problem: str, parameters: dict[str, object], expected: str
) -> None:
    kind = find_problem(problem).output
    with pytest.raises(ValueError, match=f"^{expected}$"):
        checked(kind, defaults_of(kind, {}), parameters)


def test_default_of_the_model_is_never_rejected() -> None:
    kind = find_problem("translation").output
    defaults = defaults_of(kind, {"beam_width": 200})
    assert checked(kind, defaults, {"beam_width": 200})[0].beam_width == 200


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"txt": ["a"]}, "rows must have a column text, got txt"),
        ({}, "rows must have a column text, got none"),
        ({"text": ["a", None]}, "row 2, text: expected a string, got nothing"),
        ({"text": [math.nan]}, "row 1, text: expected a string, got nothing"),
        ({"text": [5]}, "row 1, text: expected a string, got 5"),
        ({"text": [["a"]]}, r"row 1, text: expected a string, got \['a'\]"),
        ({"text": ["ab\ud800"]}, "row 1, text: half a surrogate pair at character 3 is no text"),
    ],
)
def test_row_without_text_raises_with_its_number(
    rows: dict[str, list[object]], expected: str
) -> None:
    with pytest.raises(ValueError, match=f"^{expected}$"):
        texts_of(pd.DataFrame(rows, dtype=object))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"txt": ["a"]}, "rows must have a column text or tokens, got txt"),
        ({"tokens": [["a", None]]}, "row 1, token 2: expected a string, got nothing"),
        (
            {"tokens": [["a"], None]},
            r"row 2, text \(it has no tokens\): expected a string, got nothing",
        ),
        ({"tokens": ["lumo"]}, r"row 1, text \(it has no tokens\): expected a string, got nothing"),
    ],
)
def test_row_without_tokens_raises_with_its_number(
    rows: dict[str, list[object]], expected: str
) -> None:
    with pytest.raises(ValueError, match=f"^{expected}$"):
        token_rows_of(pd.DataFrame(rows, dtype=object))


def test_row_without_tokens_falls_back_to_its_text() -> None:
    rows = pd.DataFrame(
        {"tokens": [["a", "b"], None, np.array(["c"], dtype=object)], "text": ["x", "a b", "y"]}
    )
    assert token_rows_of(rows) == [["a", "b"], "a b", ["c"]]
