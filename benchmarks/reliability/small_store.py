"""A small store with a model of each problem, and a retraining of it without servers."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import yaml

from rnn_models.checkpoints.checkpoint import WEIGHTS
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.promote import promote
from tasks.register import register
from tasks.registry.mlflow_client import CHALLENGER, version_with_alias
from tasks.registry.registered_model import Loaded
from tasks.settings import Settings, read_settings
from tasks.store.artifacts import Checkpoint, Promotion, Scores
from tasks.store.checksums import file_sum
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train

WORDS = ("ta", "mi", "ro", "ku", "pe", "so", "li", "da", "lumo", "grak", "sela", "vek")
NUM_ROWS = 90
STAGES = ("ingest", "tokenize", "train", "evaluate", "register", "promote")
TRAINING = {
    "max_epochs": 1,
    "hidden_size": 8,
    "embedding_size": 8,
    "batch_size": 16,
    "seed": 1,
}
TEXTS = ("ta mi lumo ro", "grak so li da vek")


def _words(chance: random.Random) -> list[str]:
    return chance.choices(WORDS, k=chance.randint(3, 6))


def _reviews(chance: random.Random, number: int) -> str:
    return f"n{number} {' '.join(_words(chance))},{('neg', 'pos')[number % 2]}\n"


def _ratings(chance: random.Random, number: int) -> str:
    return f"n{number} {' '.join(_words(chance))},{chance.randint(2, 8) / 2}\n"


def _tagged(chance: random.Random, number: int) -> str:
    words = [f"n{number}", *_words(chance)]
    return "".join(f"{word} O\n" for word in words) + "Kalo B-PER\nBren I-PER\n\n"


def _pairs(chance: random.Random, number: int) -> str:
    text = " ".join([*_words(chance), f"n{number}"])
    return f"{text}\t{text.upper()}\n"


# By problem: the first line of its file, what writes a row, and its keys of a catalog entry.
PROBLEMS: dict[str, tuple[str, Callable[[random.Random, int], str], dict[str, Any]]] = {
    "sentiment": (
        "text,label\n",
        _reviews,
        {
            "format": {"kind": "csv"},
            "columns": {"text": "text", "label": "label"},
            "tokenizer": "words",
        },
    ),
    "ner": (
        "",
        _tagged,
        {
            "format": {"kind": "conll"},
            "columns": {"tokens": 0, "tags": 1},
            "tokenizer": "words",
        },
    ),
    "translation": (
        "",
        _pairs,
        {
            "format": {"kind": "tsv", "header": False, "quote": False},
            "columns": {"source": 0, "target": 1},
            "tokenizer": "bpe",
        },
    ),
    "regression": (
        "text,stars\n",
        _ratings,
        {
            "format": {"kind": "csv"},
            "columns": {"text": "text", "score": "stars"},
            "tokenizer": "words",
        },
    ),
}


def write_catalog(folder: Path, *, num_rows: int = NUM_ROWS) -> Path:
    """Write rows of our own making for each problem, and a catalog with an entry for each."""
    entries = {}
    for problem, (head, row, keys) in PROBLEMS.items():
        chance = random.Random(problem)
        (folder / f"{problem}.txt").write_text(
            head + "".join(row(chance, number) for number in range(num_rows))
        )
        entries[problem] = {
            "problem": problem,
            "language": "xx",
            "licence": "ours",
            "origin": "made for the benchmark",
            "source": {"kind": "files", "paths": {"all": f"{problem}.txt"}},
            "splits": {"validation": 0.2, "test": 0.2},
            **keys,
        }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path


def settings(**training: Any) -> Settings:
    """Settings of a training that takes a second."""
    return read_settings(
        {
            "tokens": {"min_frequency": 1},
            "training": TRAINING | training,
            "promotion": {"policy": "always"},
        }
    )


def retrain(dataset: str, catalog: Path, chosen: Settings | None = None) -> Promotion:
    """Take a dataset through all stages in this process, without Prefect's engine."""
    chosen = chosen or settings()
    rows = directly(ingest, dataset, str(catalog))
    tokens = directly(tokenize, rows, chosen.tokens, str(catalog))
    checkpoint = directly(train, tokens, chosen.training)
    scores = directly(evaluate, checkpoint, tokens, chosen.evaluation, str(catalog))
    challenger = directly(register, checkpoint, tokens, scores, str(catalog))
    return directly(promote, challenger, scores, tokens, chosen.promotion)


def answers(dataset: str) -> str:
    """Digest what the newest version answers to some texts."""
    number = version_with_alias(dataset, CHALLENGER)
    assert number, "a retraining has registered one"
    loaded = Loaded.of(dataset, number)
    column = next(iter(loaded.kind.inputs))
    table = loaded.predict(pd.DataFrame({column: list(TEXTS)}))
    return hashlib.sha256(table.to_json().encode()).hexdigest()


def result(dataset: str, catalog: Path) -> dict[str, Any]:
    """Retrain, and return what must be the same after any damage.

    The parity of the version with its checkpoint is not checked: that takes a
    process of its own, and seconds.
    """
    with patch("tasks.promote.check_parity"):
        promotion = retrain(dataset, catalog)
    scores = Scores.find(dataset, promotion.scores)
    checkpoint = Checkpoint.find(dataset, scores.checkpoint) if scores else None
    return {
        "weights": file_sum(checkpoint.folder / WEIGHTS)["xxh3"] if checkpoint else "",
        "score": promotion.challenger_score,
        "answers": answers(dataset),
    }
