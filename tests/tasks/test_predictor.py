"""Raw texts in, entities of the raw text out."""

import pyarrow as pa
import pytest

from data.tokenizer import DEFAULTS, Encoder
from tasks.predictor import Predictor

TABLES = {
    "tags": pa.table({"tokens": [["Kalo", "lumo"]] * 2, "tags": [["B-PER", "O"]] * 2}),
    "label": pa.table({"text": ["Kalo", "lumo"], "label": ["n", "p"]}),
}


class Said(Predictor):
    """A predictor whose model says what it is told."""

    def __init__(self, target: str, said: list[list[str]]) -> None:
        self.encoder = Encoder.build("words", TABLES[target], DEFAULTS["words"])
        self.said = said

    def predict(self, texts: object) -> tuple[list[list[str]], list[float]]:
        return self.said, [0.5] * len(self.said)


def test_entities_are_found_where_they_stand_in_the_raw_text() -> None:
    texts = ["lumo  Kalo\tBren, sela", ""]
    found, scores = Said("tags", [["O", "B-PER", "I-PER", "O"], ["B-PER"]]).predict_entities(texts)
    assert found == [[{"kind": "PER", "start": 6, "stop": 16, "text": "Kalo\tBren,"}], []]
    assert scores == [0.5, 0.5]


def test_a_model_of_labels_finds_no_entities() -> None:
    with pytest.raises(ValueError, match="entities are found by a model of tags, this one says label"):
        Said("label", []).predict_entities(["lumo"])
