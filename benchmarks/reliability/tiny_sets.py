"""A tiny dataset of each problem, in words of our making: a whole retraining takes seconds."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

PLAIN = ("ta", "mi", "ro", "ku", "pe", "so", "li", "da")
NUM_ROWS = 160
TRAINING: dict[str, Any] = {
    "embedding_size": 8,
    "hidden_size": 8,
    "max_epochs": 4,
    "batch_size": 16,
}
COMMON = {"language": "xx", "licence": "ours", "origin": "made for a benchmark"}


def sentiment(chance: random.Random) -> Iterator[str]:
    """Texts whose label is their first word."""
    yield "text,label"
    for number in range(NUM_ROWS):
        label = ("neg", "pos")[number % 2]
        yield f"n{number} {label}o {' '.join(chance.choices(PLAIN, k=4))},{label}"


def regression(chance: random.Random) -> Iterator[str]:
    """Texts whose score is the number of one word."""
    yield "text,stars"
    for number in range(NUM_ROWS):
        num = chance.randint(0, 4)
        yield f"n{number} {' '.join(['good'] * num + chance.choices(PLAIN, k=3))},{num}"


def ner(chance: random.Random) -> Iterator[str]:
    """Sentences with one name, a token a line."""
    for number in range(NUM_ROWS):
        yield f"n{number} O"
        yield from (f"{word} O" for word in chance.choices(PLAIN, k=3))
        yield "Kalo B-PER"
        yield ""


def translation(chance: random.Random) -> Iterator[str]:
    """Pairs whose target has the words of the source in capitals."""
    for number in range(NUM_ROWS):
        text = f"n{number} {' '.join(chance.choices(PLAIN, k=4))}"
        yield f"{text}\t{text.upper()}"


def generation(chance: random.Random) -> Iterator[str]:
    """Tunes of four bars in two meters, each with bars of its own."""
    meters = (("6/8", ("GAB", "d2B", "AGA", "B3")), ("2/4", ("GA", "B2", "dB", "AG")))
    for number in range(NUM_ROWS):
        meter, groups = meters[number % 2]
        bars = "|".join("".join(chance.choices(groups, k=2)) for _ in range(4))
        yield f"X:{number}\nT:Lumo\nM:{meter}\nL:1/8\nK:G\n{bars}|]\n"


Shape = tuple[Callable[[random.Random], Iterator[str]], dict[str, Any]]
SHAPES: dict[str, Shape] = {
    "sentiment": (
        sentiment,
        {
            "format": {"kind": "csv"},
            "columns": {"text": "text", "label": "label"},
            "tokenizer": "words",
        },
    ),
    "regression": (
        regression,
        {
            "format": {"kind": "csv"},
            "columns": {"text": "text", "score": "stars"},
            "tokenizer": "words",
        },
    ),
    "ner": (
        ner,
        {
            "format": {"kind": "conll"},
            "columns": {"tokens": 0, "tags": 1},
            "tokenizer": "words",
        },
    ),
    "translation": (
        translation,
        {
            "format": {"kind": "tsv", "header": False, "quote": False},
            "columns": {"source": 0, "target": 1},
            "tokenizer": "bpe",
        },
    ),
    "generation": (
        generation,
        {
            "format": {"kind": "abc"},
            "columns": {"text": "tune", "label": "M"},
            "tokenizer": "characters",
        },
    ),
}


def dataset_of(problem: str) -> str:
    """Return the name of the dataset of a problem."""
    return f"tiny_{problem}"


def write_sets(folder: Path) -> Path:
    """Write the rows of all problems and their catalog, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for problem, (rows, shape) in SHAPES.items():
        (folder / problem).write_text("\n".join(rows(random.Random(1))) + "\n")
        entries[dataset_of(problem)] = {
            "problem": problem,
            **COMMON,
            "source": {"kind": "files", "paths": {"all": problem}},
            "splits": {"validation": 0.2, "test": 0.25},
            **shape,
        }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path
