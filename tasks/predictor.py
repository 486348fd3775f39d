"""Raw texts in, labels, tags or texts out: a model with its vocabularies, from one folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.spans import Entity, entities, split_spans
from data.tokenizer import Encoder
from rnn_models.batch import Examples, Ragged, Words
from rnn_models.checkpoint import load_model
from rnn_models.prediction import predict_all


class Predictor:
    """A trained model and its encoder, ready for raw texts."""

    def __init__(self, folder: Path) -> None:
        """Read a folder that holds a checkpoint's and a token set's files."""
        self.encoder = Encoder.load(folder)
        self.problem, self.model = load_model(folder)

    @property
    def target(self) -> str:
        """Name of what comes out: label, tags or target."""
        return self.encoder.roles[1]

    def predict(self, texts: Sequence[str]) -> tuple[list[Any], list[float]]:
        """Say what belongs to each text, and how sure it is, from 0 to 1."""
        rows = [self.encoder.cut(text) for text in texts]
        source, spelled = Ragged(*self.encoder.source.encode(rows)), self.encoder.spell(rows)
        nothing = Ragged(np.zeros(0, np.int32), np.zeros(len(texts) + 1, np.int64))
        words = Words(*(Ragged(*column) for column in spelled)) if spelled else None
        outputs = predict_all(self.problem, self.model, Examples(source, nothing, words))
        said = [
            self.encoder.decode(output.ids, copied=output.copied, source=text)
            for output, text in zip(outputs, texts, strict=True)
        ]
        return said, [output.score for output in outputs]

    def predict_entities(self, texts: Sequence[str]) -> tuple[list[list[Entity]], list[float]]:
        """Find the entities of each text, each with its characters in the raw text, and say how sure it is.

        Raises:
            ValueError: If the model does not tag.
        """
        if self.target != "tags":
            raise ValueError(f"entities are found by a model of tags, this one says {self.target}")
        said, scores = self.predict(texts)
        spans = [split_spans(self.encoder.kind, text) for text in texts]
        rows = zip(texts, spans, said, strict=True)
        return [entities(text, places, tags[: len(places)]) for text, places, tags in rows], scores
