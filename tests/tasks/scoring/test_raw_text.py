"""A tagger's score on raw text beside that on given tokens."""

import pyarrow as pa
import pytest

from data.text.pre_tokenizers import Cuts
from tasks.scoring.raw_text import places_f1, raw_text_scores
from tests.tasks.served import NAMED, TAGS, Served

pytestmark = pytest.mark.case("28")
ROWS = [["ta", "Ursa", ",", "(", "Kalo", "Bren", ")", "."], ["Fara", "'s", "ro", "!"]] * 3


def cuts_of(rows: list[list[str]]) -> Cuts:
    return Cuts.of([pa.chunked_array([pa.array(rows)])])


def test_detokenized_rows_are_tokenized_into_the_same_tokens() -> None:
    cuts = cuts_of(ROWS)
    written = [cuts.together(row) for row in ROWS[:2]]
    assert [text for text, _ in written] == ["ta Ursa, (Kalo Bren).", "Fara's ro!"]
    for (text, spans), row in zip(written, ROWS, strict=False):
        assert [text[start:stop] for start, stop in spans] == row
        assert cuts.spans(text) == spans


def test_raw_text_f1_counts_positions_and_kinds() -> None:
    references = [{("PER", 3, 7)}, {("LOC", 0, 4)}]
    assert places_f1(references, references) == 100
    assert places_f1([{("PER", 3, 8)}, {("LOC", 0, 4)}], references) == 50
    assert places_f1([{("LOC", 3, 7)}, set()], references) == 0
    assert places_f1([set()], [set()]) == 0


def test_raw_text_score_exists_for_a_tagger_of_words(models: dict[str, Served]) -> None:
    made = models["ner"]
    found = raw_text_scores(made.checkpoint, made.tokens, NAMED, TAGS)
    assert list(found) == ["span_f1"]
    assert 0 <= found["span_f1"] <= 100


def test_raw_text_score_is_none_for_a_classifier(models: dict[str, Served]) -> None:
    made = models["sentiment"]
    assert raw_text_scores(made.checkpoint, made.tokens, [], []) == {}
