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
from rnn_models.problem import Output


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

    def outputs(self, texts: Sequence[str]) -> list[Output]:
        """What the model says of each text, as ids."""
        rows = [self.encoder.cut(text) for text in texts]
        source, spelled = Ragged(*self.encoder.source.encode(rows)), self.encoder.spell(rows)
        nothing = Ragged(np.zeros(0, np.int32), np.zeros(len(texts) + 1, np.int64))
        words = Words(*(Ragged(*column) for column in spelled)) if spelled else None
        return predict_all(self.problem, self.model, Examples(source, nothing, words))

    def said(self, output: Output, text: str) -> Any:
        """What an output says of a text: a label, a list of tags, or a text."""
        return self.encoder.decode(output.ids, copied=output.copied, source=text)

    def predict(self, texts: Sequence[str]) -> tuple[list[Any], list[float]]:
        """Say what belongs to each text, and how sure it is, from 0 to 1."""
        outputs = self.outputs(texts)
        return [self.said(o, text) for o, text in zip(outputs, texts, strict=True)], [o.score for o in outputs]

    def predict_best(self, texts: Sequence[str]) -> list[list[tuple[Any, float]]]:
        """Say what may belong to each text, best first, as many as the setting ``num_best``, and how sure it is of each."""
        pairs = zip(self.outputs(texts), texts, strict=True)
        return [[(self.said(o, text), o.score) for o in (first, *first.others)] for first, text in pairs]

    def predict_entities(self, texts: Sequence[str]) -> tuple[list[list[Entity]], list[float]]:
        """Find the entities of each text, each with its characters in the raw text, and say how sure it is.

        With the setting ``confidences`` each entity has a score of its own.

        Raises:
            ValueError: If the model does not tag.
        """
        if self.target != "tags":
            raise ValueError(f"entities are found by a model of tags, this one says {self.target}")
        outputs = self.outputs(texts)
        return [self._entities(o, text) for o, text in zip(outputs, texts, strict=True)], [o.score for o in outputs]

    def _entities(self, output: Output, text: str) -> list[Entity]:
        spans = split_spans(self.encoder.kind, text)
        found = entities(text, spans, self.said(output, text)[: len(spans)])
        for entity, score in zip(found, output.entity_scores, strict=False):  # an empty text is read as one token
            entity["score"] = score
        return found
