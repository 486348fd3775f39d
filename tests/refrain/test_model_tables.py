"""Tables of models and of their ledgers fit a terminal of 80 columns, with whole names."""

import io

import pytest
from rich.console import Console

from refrain import tables
from refrain.model_tables import show_history, show_models

NAME = "reviews_of_long_films_in_many_languages_2026"
WIDTH = 80


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed in a terminal of 80 columns."""
    written = io.StringIO()
    monkeypatch.setattr(tables, "out", Console(file=written, width=WIDTH, highlight=False))
    return written


def joined(text: str) -> str:
    """The text without line ends and spaces, as a folded name has both."""
    return "".join(text.split())


def test_models_fit_80_columns_with_whole_names(narrow: io.StringIO) -> None:
    champion = {
        "refrain.problem": "translation",
        "refrain.metric": "bleu",
        "refrain.score": "33.5",
        "refrain.interval": "32.1 to 34.9",
        "refrain.signature": "nrefs:1|tok:13a|smooth:exp",
        "refrain.baseline": "character_ngrams",
    }
    aliases = {"champion": "112", "challenger": "113"}
    show_models([{"model": NAME, "versions": 113, "aliases": aliases, "champion": champion}])
    lines = narrow.getvalue().splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "…" not in narrow.getvalue()
    first = "".join(line[:22] for line in lines)
    assert NAME in joined(first)
    for part in (
        "112",
        "113",
        "bleu 33.5",
        "32.1 to 34.9",
        "tok:13a",
        "character_ngrams",
        "translation",
    ):
        assert part in narrow.getvalue()


def test_history_fits_80_columns_with_the_whole_reason(narrow: io.StringIO) -> None:
    why = "+2.00 [0.40 to 3.60] points on 1,066 rows, better than bag_of_words " * 3
    line = {
        "number": 12,
        "event": "rolled back",
        "version": "112",
        "replaced": "113",
        "scores": {"accuracy": 81.25, "macro_f1": 80.5, "negative_log_likelihood": 0.41},
        "why": why.strip(),
        "when": "2026-11-28T18:00:00+00:00",
        "flow_run": "0123456789",
        "flow_run_url": "http://127.0.0.1:4200/runs/flow-run/0123456789",
        "person": "",
        "by": "",
    }
    show_history({"model": NAME, "aliases": {"champion": "112"}, "lines": [line], "drift": []})
    output = narrow.getvalue()
    assert max(map(len, output.splitlines())) <= WIDTH
    assert "…" not in output
    assert joined(why) in joined(output)
    for part in ("rolled back 112 in place of 113", "accuracy 81.25", "by flow run 01234567"):
        assert part in output
