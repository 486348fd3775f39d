"""Raw texts in, labels, tags or texts out: a model with its vocabularies, from one folder."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from data.spans import Entity, entities, split_spans
from data.tokenizer import Encoder
from rnn_models.batch import EOS_ID, Examples, Ragged, Words
from rnn_models.checkpoint import load_model
from rnn_models.prediction import predict_all
from rnn_models.problem import Output

SAMPLING = ("temperature", "top_k", "top_p", "sample_length", "seed")  # settings that may be others each time


class Predictor:
    """A trained model and its encoder, ready for raw texts."""

    def __init__(self, folder: Path) -> None:
        """Read a folder that holds a checkpoint's and a token set's files."""
        self.encoder = Encoder.load(folder)
        self.model: Any
        self.problem, self.model = load_model(folder)

    @property
    def target(self) -> str:
        """Name of what comes out: label, tags or target."""
        return self.encoder.roles[-1]

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
        """Say what belongs to each text, and how sure it is, from 0 to 1; of a beginning, the whole text."""
        if self.target == "text":
            return self.go_on(texts)
        outputs = self.outputs(texts)
        return [self.said(o, text) for o, text in zip(outputs, texts, strict=True)], [o.score for o in outputs]

    def go_on(
        self,
        beginnings: Sequence[str],
        labels: Sequence[Any] | None = None,
        asked: Mapping[str, Any] | None = None,
        *,
        is_strict: bool = True,
    ) -> tuple[list[str], list[float]]:
        """Say texts from their beginnings, which may be empty, and from their labels.

        Args:
            beginnings: What each text begins with.
            labels: One each, None for a text without; none for no labels at all.
            asked: How ids are drawn: some of ``SAMPLING``.
            is_strict: Refuse a label that training did not have; else the text starts from none.

        Returns:
            The whole texts, and how likely the model found their tokens, from 0 to 1.

        Raises:
            ValueError: If the model does not say texts from their beginning, or a label is unknown.
        """
        if self.target != "text":
            raise ValueError(f"a text is gone on with by a model that says texts, this one says {self.target}")
        own, begun = self.model.settings, self._text_ids(beginnings)
        self.model.settings = own.with_changes(asked or {})
        try:
            examples = Examples(self._starts(labels, len(beginnings), is_strict=is_strict), Ragged.of(begun))
            outputs = predict_all(self.problem, self.model, examples)
        finally:
            self.model.settings = own
        rows = zip(beginnings, begun, outputs, strict=True)
        return [text + self._after(ids, output.ids) for text, ids, output in rows], [o.score for o in outputs]

    def judge(self, texts: Sequence[str], labels: Sequence[Any] | None = None) -> list[list[float]]:
        """What each token of each text costs in nats, its end included."""
        assert self.problem.token_nats
        # As rows: a label that training never saw is none.
        source = self._starts(labels, len(texts), is_strict=False)
        examples = Examples(source, Ragged(*self.encoder.target.encode(list(texts))))
        return [costs.tolist() for costs in self.problem.token_nats(self.model, examples)]

    def _text_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of beginnings; those of a running text have an end at each line."""
        is_joined, encode = self.model.settings.joined_texts, self.encoder.source.encode
        found = []
        for text in texts:
            lines = text.split("\n") if is_joined else [text]
            rows = [Ragged(*encode([line])).row(0) if line else [] for line in lines]
            found.append([*rows[0], *(i for row in rows[1:] for i in (EOS_ID, *row))])
        return found

    def _after(self, begun: list[int], ids: list[int]) -> str:
        """The text of ids that follow others: what is between two pieces depends on both."""
        before, whole = (self._lines(part) for part in (begun, [*begun, *ids]))
        return whole[len(before) :]

    def _lines(self, ids: list[int]) -> str:
        ends = [place for place, i in enumerate(ids) if i == EOS_ID]
        lines = [ids[a + 1 : b] for a, b in pairwise([-1, *ends, len(ids)])]
        return "\n".join(self.encoder.decode(line) for line in lines)

    def _starts(self, labels: Sequence[Any] | None, num: int, *, is_strict: bool = True) -> Ragged:
        """Numbers of labels, a row each; empty where there is none.

        Raises:
            ValueError: If a label is one that the model was not trained with.
        """
        known = self.encoder.starts.names if self.encoder.starts else ()
        given = [None if label is None or label != label else str(label) for label in labels or [None] * num]
        unknown = next((label for label in given if label is not None and label not in known), None)
        if unknown is not None and is_strict:
            expected = f"expected one of {', '.join(known)}" if known else "this model was trained without labels"
            raise ValueError(f"label: there is no {unknown!r}, {expected}")
        return Ragged.of([[known.index(label)] if label in known else [] for label in given])

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
