"""Facts of a test split, compared with counts text by text."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rnn_models.evaluation.metrics import find_metric
from tasks.scoring.outputs import OUTPUTS, STATISTICS
from tasks.scoring.slices import SplitFacts, split_facts, words_of
from tasks.store.artifacts import Scores, TokenSet
from tests.tasks.served import COST, TABLES, token_set_of

TEXTS = ["lumo zork", "Grak, GRAK!", "nuri", "zork-zork blip", "dosh vek ta mi", "so 5 lumo"]
LABELS = ["pos", "neg", "neg", "pos", "neg", "pos"]


def scored(
    tokens: TokenSet, metric: str, predictions: list[object], references: list[object]
) -> Scores:
    """Scores of some answers, with the files that an evaluation leaves."""
    made = Scores(
        dataset=tokens.dataset,
        digest=tokens.digest,
        problem=tokens.problem,
        checkpoint="c",
        tokens=tokens.digest,
        mlflow_run="",
        test_split="t",
        metrics={metric: COST},
        baselines={},
    )
    made.folder.mkdir(parents=True)
    np.savez(
        made.folder / STATISTICS,
        **{metric: find_metric(metric).statistics(predictions, references)},
    )  # type: ignore[arg-type]
    if find_metric(metric).classes:
        pd.DataFrame({"output": predictions, "reference": references}).to_parquet(
            made.folder / OUTPUTS
        )
    return made


def counts(found: SplitFacts) -> dict[str, int]:
    return {each.name: each.num_examples for each in found.slices}


def test_words_without_an_id_are_unknown(store: Path) -> None:
    tokens = token_set_of("sentiment", "a" * 16, pa.table({"text": TEXTS, "label": LABELS}))
    found = split_facts(scored(tokens, "accuracy", ["pos"] * 6, [*LABELS]), tokens)
    known = {word for text in TABLES["sentiment"]["text"].to_pylist() for word in text.split()}
    lengths, unknown = (
        [len(t.split()) for t in TEXTS],
        [[w for w in t.lower().split() if w not in known] for t in TEXTS],
    )
    assert (found.longest, found.unit, found.starts) == (4, "words", [])
    shares = [len(new) / num for new, num in zip(unknown, lengths, strict=True)]
    named = counts(found)
    assert named["over 10 % unknown words"] == sum(share > 0.1 for share in shares)
    assert named["no unknown words"] == sum(share == 0 for share in shares)
    assert {name: num for name, num in named.items() if "label" in name} == {
        "label neg": 3,
        "label pos": 3,
    }
    assert not [
        name for name in named if "token" in name
    ]  # six texts are too few to be cut by length
    values = {each.name: each.value for each in found.slices}
    assert values["label pos"] == pytest.approx(
        200 * 3 / (6 + 3)
    )  # correct three times, predicted six times, in the references three times


def test_words_of_subword_tokenizers_are_unknown_when_no_training_text_has_them(
    store: Path,
) -> None:
    tokens = token_set_of("translation", "b" * 16, pa.table({"source": TEXTS, "target": TEXTS}))
    found = split_facts(scored(tokens, "bleu", [*TEXTS], [*TEXTS]), tokens)
    known = {word for text in TABLES["translation"]["source"].to_pylist() for word in text.split()}
    words = [re.findall(r"[^\W_]+", text.lower()) for text in TEXTS]
    new = [[word for word in row if word not in known] for row in words]
    assert found.unknown == pytest.approx(sum(map(len, new)) / sum(map(len, words)))
    assert counts(found)["over 10 % unknown words"] == sum(map(bool, new))


def test_slices_of_a_tagger_are_entity_kinds(store: Path) -> None:
    tokens = token_set_of("ner", "c" * 16)
    references = TABLES["ner"]["tags"].to_pylist()
    predictions = [["O" if tag.endswith("LOC") else tag for tag in row] for row in references]
    found = split_facts(scored(tokens, "span_f1", [*predictions], [*references]), tokens)
    kinds = {
        each.name: (each.num_examples, each.value)
        for each in found.slices
        if each.name.startswith("entities")
    }
    assert kinds == {"entities LOC": (3, 0.0), "entities PER": (6, 100.0)}


def test_slices_of_a_generator_are_start_labels(store: Path) -> None:
    tokens = token_set_of("generation", "d" * 16)
    texts = TABLES["generation"]["text"].to_pylist() * 2  # fewer are cut into blocks
    tokens_of_36 = token_set_of(
        "generation", "e" * 16, pa.table({"label": ["so", "no", "so"] * 12, "text": texts})
    )
    found = split_facts(
        scored(tokens_of_36, "bits_per_character", [np.ones(len(t) + 1) for t in texts], [*texts]),
        tokens_of_36,
    )
    assert (found.starts, found.unit) == (["no", "so"], "characters")
    assert {name: num for name, num in counts(found).items() if name.startswith("label")} == {
        "label no": 12,
        "label so": 24,
    }
    joined = scored(tokens, "perplexity", [np.ones(40)], ["\n".join(texts)])
    assert split_facts(joined, tokens).slices == []  # one text has no parts
    assert replace(found, slices=[]).longest == max(map(len, texts))


def test_words_are_runs_of_letters_and_digits() -> None:
    row_of, words = words_of(pa.chunked_array([["Où est-il?", ""], ["5 жуков, ünd"]]))
    assert list(zip(row_of.tolist(), words.to_pylist(), strict=True)) == [
        (0, "où"),
        (0, "est"),
        (0, "il"),
        (2, "5"),
        (2, "жуков"),
        (2, "ünd"),
    ]
